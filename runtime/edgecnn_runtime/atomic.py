"""Atomic file replacement: a file appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edgecnn_runtime.errors import OutputNotWritable
from edgecnn_runtime.file_kind import other_than_file


@contextlib.contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content becomes `path` when the block ends, and is gone when it raises.

    On Linux the content has no name while it is written (``O_TMPFILE``), so that even a killed
    process leaves nothing behind; elsewhere it is a hidden file that is removed on error. A file
    that is replaced passes its permissions on.

    Raises:
        OutputNotWritable: the folder is missing, not writable, or full, or `path` is a pipe, a
            device or a folder, which no file is to replace.
    """
    _refuse_other_kind(path)
    try:
        _remove_leftovers(path)
        mode = _mode(path)
        with _unnamed_file(path) or _hidden_file(path) as stream:
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
            yield stream
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputNotWritable(
            f"cannot write {path}: {reason}; what was there before is unchanged. "
            "Free some space, or choose another place with --output"
        ) from error


def _mode(path: Path) -> int | None:
    """Permissions of the file that is there; None where there is none."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        return None


def _unnamed_file(path: Path) -> contextlib.AbstractContextManager[BinaryIO] | None:
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        descriptor = os.open(path.parent, os.O_TMPFILE | os.O_RDWR, 0o644)
    except OSError as error:
        # Some file systems (overlay, NFS) have no unnamed files.
        if error.errno in (errno.EOPNOTSUPP, errno.EISDIR):
            return None
        raise
    return _link_at_end(descriptor, path)


@contextlib.contextmanager
def _link_at_end(descriptor: int, path: Path) -> Iterator[BinaryIO]:
    with os.fdopen(descriptor, "w+b") as stream:
        yield stream
        stream.flush()
        os.fsync(descriptor)
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                _give_name(descriptor, path)
                return
        # A link never replaces a file; a rename does.
        name = _hidden_name(path)
        _give_name(descriptor, name)
        name.replace(path)


def _give_name(descriptor: int, path: Path) -> None:
    # src_dir_fd makes Python call linkat, which follows the link in /proc (open(2), O_TMPFILE).
    os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor, follow_symlinks=True)


@contextlib.contextmanager
def _hidden_file(path: Path) -> Iterator[BinaryIO]:
    name = _hidden_name(path)
    try:
        with name.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        name.replace(path)
    except BaseException:
        name.unlink(missing_ok=True)
        raise


def _hidden_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def _remove_leftovers(path: Path) -> None:
    """Remove hidden files of processes that were killed before they could rename or remove them."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        pid = leftover.name.split(".")[-2]
        if pid.isdigit() and not is_alive(int(pid)):
            leftover.unlink(missing_ok=True)


def is_alive(pid: int) -> bool:
    """Whether there is a process of that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def check_writable(path: Path) -> None:
    """Check in advance that `path` can be written, before long work begins.

    Raises:
        OutputNotWritable: its folder is missing or not writable, `path` is no plain file, or its
            name is not UTF-8, as which a manifest names the golden examples beside a bundle.
    """
    try:
        os.fsencode(path.name).decode()
    except UnicodeDecodeError as error:
        raise OutputNotWritable(
            f"cannot write {path}: its name is not UTF-8 text; choose another with --output"
        ) from error
    if not path.parent.is_dir():
        raise OutputNotWritable(f"cannot write {path}: the folder {path.parent} does not exist")
    _refuse_other_kind(path)
    if not os.access(path.parent, os.W_OK):
        raise OutputNotWritable(
            f"cannot write {path}: the folder {path.parent} is not writable; "
            "choose another place with --output"
        )


def _refuse_other_kind(path: Path) -> None:
    kind = other_than_file(path)
    if kind is not None:
        raise OutputNotWritable(f"cannot write {path}: it is {kind}; name another file")
