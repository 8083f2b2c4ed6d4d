"""Safe reading of a bundle's zip archive: paths, member sizes, zip bombs."""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib

from edgecnn_runtime.errors import BundleUnreadable, CompressionBomb, FileUnlisted, UnsafePath

MAX_TOTAL_BYTES = 2 << 30  # a protobuf message ends at 2 GiB, and so does every model file here
MAX_RATIO = 200  # deflate reaches 1032; weights, images and JSON stay below 30
RATIO_FREE_BYTES = 1 << 20  # below 1 MiB no ratio does harm
# A member's own header (APPNOTE.TXT 4.3.7): signature, …, sizes of name and extra field.
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 1
_MAX_PATH = 200


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> bytes:
    """The member's bytes, never more than `limit` + 1 of them.

    Raises:
        BundleUnreadable: it is damaged, encrypted or compressed in an unknown way.
    """
    try:
        is_plain = member.compress_type == zipfile.ZIP_STORED
        if is_plain and not member.flag_bits & _ENCRYPTED and hasattr(os, "pread"):
            return _read_stored(archive, member, limit)
        with archive.open(member) as stream:
            return stream.read(limit + 1)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise BundleUnreadable(
            f"{archive.filename}: {member.filename} cannot be read ({error}); "
            "the bundle is truncated or damaged, fetch or export it again"
        ) from error
    except RuntimeError as error:  # raised by zipfile for an encrypted member
        raise BundleUnreadable(f"{archive.filename}: {member.filename}: {error}") from error


def _read_stored(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> bytes:
    """Read a stored member in one piece.

    zipfile would read it in small pieces and check a CRC-32, which the sha256 makes superfluous:
    together half of the time that opening a bundle takes.
    """
    assert archive.fp is not None
    file = archive.fp.fileno()
    header = os.pread(file, _LOCAL_HEADER.size + _MAX_PATH, member.header_offset)
    if len(header) < _LOCAL_HEADER.size:
        raise EOFError("a member begins after the end of the file")
    signature, name_size, extra_size = _LOCAL_HEADER.unpack_from(header)
    name = header[_LOCAL_HEADER.size :][:name_size]
    if signature != b"PK\x03\x04" or name != member.orig_filename.encode():
        raise zipfile.BadZipFile("a member and the directory disagree on its name")
    start = member.header_offset + _LOCAL_HEADER.size + name_size + extra_size
    return os.pread(file, min(member.compress_size, limit + 1), start)


def open_archive(path: str) -> zipfile.ZipFile:
    """The zip archive at `path`.

    Raises:
        BundleUnreadable: missing, no zip archive, or truncated.
    """
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError as error:
        raise BundleUnreadable(
            f"{path} does not exist; make a bundle with: edgecnn export mobilenet_v2"
        ) from error
    except OSError as error:
        raise BundleUnreadable(f"{path} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, ValueError) as error:
        raise BundleUnreadable(
            f"{path} is not a bundle, or is truncated ({error}); fetch or export it again"
        ) from error


def list_members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Members of the archive by name; paths, duplicates and inflated sizes are checked.

    Raises:
        UnsafePath, FileUnlisted, CompressionBomb: a check fails.
    """
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        _refuse_unsafe(member)
        if member.filename in members:
            raise FileUnlisted(f"{archive.filename}: {member.filename} is in the bundle twice")
        inflates = member.file_size > max(RATIO_FREE_BYTES, MAX_RATIO * member.compress_size)
        if inflates:
            raise CompressionBomb(
                f"{archive.filename}: {member.filename} inflates from {member.compress_size} to "
                f"{member.file_size} bytes, more than {MAX_RATIO} times"
            )
        members[member.filename] = member
    total = sum(member.file_size for member in members.values())
    if total > MAX_TOTAL_BYTES:
        raise CompressionBomb(
            f"{archive.filename} inflates to {total} bytes, at most {MAX_TOTAL_BYTES} are allowed"
        )
    return members


# Letters, digits, '.', '_', '-' and '/': every file system reads them alike.
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


def _refuse_unsafe(member: zipfile.ZipInfo) -> None:
    # orig_filename, because zipfile cuts the other at a NUL byte.
    if not _SAFE.fullmatch(member.orig_filename) or len(member.orig_filename) > _MAX_PATH:
        raise UnsafePath(f"path {member.orig_filename!r} is not allowed in a bundle")
    mode = member.external_attr >> 16
    if mode and mode & 0o170000 not in (0, 0o100000):
        raise UnsafePath(f"{member.orig_filename!r} is a link or device, not a plain file")
