"""Safe reading of a bundle's zip archive: directory, compression, zip bombs."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib

from edgecnn_runtime.bundle.member_paths import MAX_PATH, refuse_twins, refuse_unsafe
from edgecnn_runtime.bundle.other_content import bundles_in, near_bundle, other_content
from edgecnn_runtime.errors import BundleUnreadable, CompressionBomb
from edgecnn_runtime.file_kind import other_than_file

MAX_TOTAL_BYTES = 2 << 30  # a protobuf message ends at 2 GiB, and so does every model file here
# Of compressed members together: what edgecnn writes is stored, so this only bounds bombs.
MAX_INFLATED_BYTES = 512 << 20
MAX_RATIO = 200  # deflate reaches 1032; weights, images and JSON stay below 30
RATIO_FREE_BYTES = 1 << 20  # below 1 MiB no ratio does harm
# Of the directory at a zip's end, which Python's zipfile holds as objects twenty times as large:
# 16,000 members with names of 200 letters.
MAX_DIRECTORY_BYTES = 4 << 20
# A member's own header (APPNOTE.TXT 4.3.7): signature, …, sizes of name and extra field.
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 1


class _ArchiveFile(io.BufferedReader):
    """A file that gives no more than a directory's size at a time until `limit` is None."""

    limit: int | None = MAX_DIRECTORY_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        if self.limit is not None and size is not None and size > self.limit:
            raise CompressionBomb(
                f"{self.name} has a zip directory of {size} bytes, at most {self.limit} are "
                "allowed; it is no bundle of edgecnn"
            )
        return super().read(size)


class _Archive(zipfile.ZipFile):
    """A zip archive that closes its file with itself."""

    def __init__(self, file: _ArchiveFile) -> None:
        self._file = file
        super().__init__(file)
        file.limit = None

    def close(self) -> None:
        super().close()
        self._file.close()


def open_archive(path: str) -> zipfile.ZipFile:
    """The zip archive at `path`.

    Raises:
        BundleUnreadable: missing, no plain file, no zip archive, or truncated.
        CompressionBomb: its directory is far larger than a bundle's.
    """
    kind = other_than_file(path)
    if kind is not None:
        inner = bundles_in(path)
        advice = f"; it holds {inner[0]}" if inner else ""
        raise BundleUnreadable(
            f"{path} cannot be read: it is {kind}, expected a bundle's file{advice}"
        )
    try:
        file = _ArchiveFile(io.FileIO(path))
    except FileNotFoundError as error:
        near = near_bundle(path)
        make = "make a bundle with: edgecnn export mobilenet_v2"
        advice = f"did you mean {near}?" if near else make
        raise BundleUnreadable(f"{path} does not exist; {advice}") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or error
        raise BundleUnreadable(f"{path} cannot be read: {reason}") from error
    try:
        return _Archive(file)
    except BaseException as error:
        file.close()
        # zipfile raises NotImplementedError for a version that no zip has, struct's for short ones.
        damaged = (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, OSError)
        if not isinstance(error, damaged):
            raise
        other = other_content(path)
        raise BundleUnreadable(
            f"{path} is {other}"
            if other
            else f"{path} is not a bundle, or is truncated ({error}); fetch or export it again"
        ) from error


def list_members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Members of the archive by name; paths, duplicates, compression and sizes are checked.

    Raises:
        UnsafePath, FileUnlisted, BundleUnreadable, CompressionBomb: a check fails.
    """
    every = archive.infolist()
    for member in every:
        refuse_unsafe(str(archive.filename), member)
        _refuse_compression(archive, member)
    refuse_twins(str(archive.filename), [member.filename for member in every])
    total = sum(member.file_size for member in every)
    inflated = sum(each.file_size for each in every if each.compress_type != zipfile.ZIP_STORED)
    for size, most in ((total, MAX_TOTAL_BYTES), (inflated, MAX_INFLATED_BYTES)):
        if size > most:
            raise CompressionBomb(
                f"{archive.filename} inflates to {size} bytes, at most {most} are allowed"
            )
    return {member.filename: member for member in every}


def _refuse_compression(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BundleUnreadable(
            f"{archive.filename}: {member.filename} is compressed by method "
            f"{member.compress_type}, expected stored or deflated; zip it again, or export it again"
        )
    is_stored = member.compress_type == zipfile.ZIP_STORED
    if is_stored and member.compress_size != member.file_size:
        # The one is read, for which memory is set aside, the other counts for the bundle's size.
        raise BundleUnreadable(
            f"{archive.filename}: {member.filename} is stored in {member.compress_size} bytes, and "
            f"has {member.file_size}; the bundle is damaged, fetch or export it again"
        )
    if member.file_size > max(RATIO_FREE_BYTES, MAX_RATIO * member.compress_size):
        raise CompressionBomb(
            f"{archive.filename}: {member.filename} inflates from {member.compress_size} to "
            f"{member.file_size} bytes, more than {MAX_RATIO} times"
        )


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
            return stream.read(min(limit, member.file_size) + 1)
    except (
        *(OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError),
        *(struct.error, ValueError, OverflowError),
    ) as error:
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
    header = os.pread(file, _LOCAL_HEADER.size + MAX_PATH, member.header_offset)
    if len(header) < _LOCAL_HEADER.size:
        raise EOFError("a member begins after the end of the file")
    signature, name_size, extra_size = _LOCAL_HEADER.unpack_from(header)
    name = header[_LOCAL_HEADER.size :][:name_size]
    if signature != b"PK\x03\x04" or name != member.orig_filename.encode():
        raise zipfile.BadZipFile("a member and the directory disagree on its name")
    start = member.header_offset + _LOCAL_HEADER.size + name_size + extra_size
    return os.pread(file, min(member.compress_size, limit + 1), start)
