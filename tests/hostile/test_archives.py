"""Corners of the zip format: what Python's zipfile reads and a bundle must not hold."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

import pytest
from hostile.edited import members_of, write_members

import edgecnn_runtime as edge
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.archive import MAX_DIRECTORY_BYTES
from edgecnn_runtime.errors import BundleUnreadable, CompressionBomb, FileUnlisted, UnsafePath

# Offsets in an entry of the directory (APPNOTE.TXT 4.3.12), and in the record at the end (4.3.16).
VERSION_NEEDED, SIZES = 6, 20
DIRECTORY_SIZE = 12


def directory_at(content: bytes) -> int:
    end = content.rindex(b"PK\x05\x06")
    return int(struct.unpack_from("<I", content, end + 16)[0])


def test_deflated_members_are_read(bundle: Path) -> None:
    deflated = write_members(bundle, members_of(bundle), zipfile.ZIP_DEFLATED)
    with edge.open(deflated) as session:
        assert session.labels == ("red", "green", "blue")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(bundle: Path, method: int) -> None:
    write_members(bundle, members_of(bundle), method)
    with pytest.raises(BundleUnreadable, match=f"method {method}, expected stored or deflated"):
        Bundle(bundle)


def test_damaged_lzma_is_refused(bundle: Path) -> None:
    write_members(bundle, members_of(bundle), zipfile.ZIP_LZMA)
    with zipfile.ZipFile(bundle) as archive:
        at = archive.getinfo("labels.txt").header_offset + 30 + len("labels.txt") + 10
    content = bytearray(bundle.read_bytes())
    content[at] ^= 255
    bundle.write_bytes(content)
    with pytest.raises(BundleUnreadable, match="method 14"):
        Bundle(bundle)


def test_a_version_that_no_zip_has_is_refused(bundle: Path) -> None:
    content = bytearray(bundle.read_bytes())
    content[directory_at(content) + VERSION_NEEDED] = 255
    bundle.write_bytes(content)
    with pytest.raises(BundleUnreadable, match=r"zip file version 25\.5"):
        Bundle(bundle)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("LABELS.TXT", r"LABELS\.TXT and labels\.txt differ in upper case alone"),
        ("Model.Fake", "differ in upper case alone"),
        ("labels.txt/part", r"labels\.txt is a file and the folder of labels\.txt/part"),
        ("nul.txt", "not allowed"),
        ("golden/CON", "not allowed"),
        ("end.", "not allowed"),
    ],
)
def test_paths_that_collide_on_some_file_system_are_refused(
    bundle: Path, path: str, says: str
) -> None:
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(path, b"")
    with pytest.raises(UnsafePath, match=f"{bundle.name}.*{says}"):
        Bundle(bundle)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(bundle: Path) -> None:
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr("manifest.json", b"{}")
    with pytest.raises(FileUnlisted, match="twice"):
        Bundle(bundle)


def test_a_directory_larger_than_any_bundle_needs_is_not_read(tmp_path: Path) -> None:
    """zipfile makes an object of half a kilobyte of each of its entries."""
    size = MAX_DIRECTORY_BYTES + 1
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, size, 0, 0)
    with (tmp_path / "many.edge").open("wb") as stream:
        stream.truncate(size)
        stream.seek(size)
        stream.write(end)
    with pytest.raises(CompressionBomb, match="zip directory of 4194305 bytes"):
        Bundle(tmp_path / "many.edge")


def test_compressed_members_inflate_to_half_a_gigabyte_at_most(bundle: Path) -> None:
    """As much as edgecnn stores is allowed to weights that are stored, not to a bomb."""
    write_members(bundle, members_of(bundle), zipfile.ZIP_DEFLATED)
    content = bytearray(bundle.read_bytes())
    at = directory_at(content)
    # Below the largest ratio, and below 2 GiB.
    content[at + SIZES : at + SIZES + 8] = struct.pack("<LL", 300 << 20, 600 << 20)
    bundle.write_bytes(content)
    with pytest.raises(CompressionBomb, match="at most 536870912"):
        Bundle(bundle)


def test_a_stored_member_has_one_size(bundle: Path) -> None:
    """os.pread sets aside what it is asked for before it looks what is there."""
    content = bytearray(bundle.read_bytes())
    at = directory_at(content)
    content[at + SIZES : at + SIZES + 4] = struct.pack("<L", 1 << 31)
    bundle.write_bytes(content)
    with pytest.raises(BundleUnreadable, match="stored in 2147483648 bytes, and has"):
        Bundle(bundle)


@pytest.mark.parametrize("kind", ["named pipe", "device", "folder"])
def test_what_is_no_plain_file_is_not_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.edge"
    if kind == "named pipe":
        os.mkfifo(path)  # whoever opens it for reading waits for a writer
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(BundleUnreadable, match=f"cannot be read: it is a {kind}"):
        Bundle(path)


def test_a_path_with_a_null_character_is_refused() -> None:
    with pytest.raises(BundleUnreadable, match="null"):
        Bundle("x\0.edge")
