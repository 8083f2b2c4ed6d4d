"""Writer of a folder of files: all or none, none outside it, nothing replaced unasked."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from edgecnn.errors import ExtractRefused
from edgecnn_runtime.atomic import replace_file
from edgecnn_runtime.errors import OutputNotWritable


def check_folder(folder: Path, *, is_forced: bool) -> None:
    """Check that files may be written into a folder, before they are made.

    Raises:
        ExtractRefused: it is a file, or holds files and `is_forced` is False.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise ExtractRefused(f"{folder} is a file, expected a folder; name another with -o")
        if folder.is_dir() and not is_forced and any(folder.iterdir()):
            raise ExtractRefused(
                f"{folder} holds files already, expected a new or an empty folder; name another "
                "with -o, or replace files of the same names with --force"
            )
    except (OSError, ValueError) as error:
        raise _not_writable(folder, error) from error


def write_folder(folder: Path, files: Mapping[str, bytes], *, is_forced: bool) -> None:
    """Write files into a folder, by path in it; a new folder appears with all of them.

    A folder that is there stays the same one: it may be a shell's own, or a mounted disk. It gets
    all of the files or, if it was empty, none. Each file of the same name is replaced whole.

    Raises:
        ExtractRefused: as `check_folder` says, or a link in the folder leads out of it.
        OutputNotWritable: the disk is full, or the folder cannot be written.
    """
    check_folder(folder, is_forced=is_forced)
    try:
        # A link stands for the folder that it leads to.
        real = Path(os.path.realpath(folder))
        if real.is_dir():
            _write_each(real, files)
        else:
            real.parent.mkdir(parents=True, exist_ok=True)
            _write_new(real, files)
    except (OSError, ValueError) as error:
        raise _not_writable(folder, error) from error


def _write_new(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write beside the folder, then take its name."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        new = Path(scratch) / "new"
        for name, content in files.items():
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        new.rename(folder)


def _write_each(folder: Path, files: Mapping[str, bytes]) -> None:
    for name in files:
        parent = Path(os.path.realpath((folder / name).parent))
        if parent != folder and folder not in parent.parents:
            raise ExtractRefused(f"{folder / name} leads out of the folder by a link; remove it")
    was_empty = not any(folder.iterdir())
    try:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with replace_file(path) as stream:
                stream.write(content)
    except BaseException:
        if was_empty:
            _remove(folder, files)
        raise


def _remove(folder: Path, files: Mapping[str, bytes]) -> None:
    """Remove those of the files that are there, and the folders that are empty without them."""
    for name in files:
        (folder / name).unlink(missing_ok=True)
        for inner in list(PurePosixPath(name).parents)[:-1]:
            with contextlib.suppress(OSError):
                (folder / inner).rmdir()


def _not_writable(folder: Path, error: OSError | ValueError) -> OutputNotWritable:
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return OutputNotWritable(f"cannot write into {folder}: {reason}; name another folder with -o")
