"""Paths in a bundle that every file system reads alike, and that do not stand for each other."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence

from edgecnn_runtime.errors import FileUnlisted, UnsafePath

MAX_PATH = 200
# Letters, digits, '.', '_', '-' and '/': every file system reads them alike.
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
# Devices to Windows in any folder and with any suffix, and a dot at the end, which it drops.
_NOT_ON_WINDOWS = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*\.", re.IGNORECASE)


def refuse_unsafe(archive: str, member: zipfile.ZipInfo) -> None:
    """Refuse a member that could land outside a folder, or is no plain file.

    Raises:
        UnsafePath: it could.
    """
    # orig_filename, because zipfile cuts the other at a NUL byte.
    path = member.orig_filename
    is_safe = len(path) <= MAX_PATH and _SAFE.fullmatch(path)
    if not is_safe or any(map(_NOT_ON_WINDOWS.fullmatch, path.split("/"))):
        raise UnsafePath(f"{archive}: path {path[:MAX_PATH]!r} is not allowed in a bundle")
    mode = member.external_attr >> 16
    if mode and mode & 0o170000 not in (0, 0o100000):
        raise UnsafePath(f"{archive}: {path!r} is a link or device, not a plain file")


def refuse_twins(archive: str, paths: Sequence[str]) -> None:
    """Refuse two paths that are one on some file system: equal but for case, or file and folder.

    Raises:
        FileUnlisted: a path is there twice.
        UnsafePath: two paths collide when they are unpacked.
    """
    seen: dict[str, str] = {}
    for path in paths:
        other = seen.get(path.casefold())
        if other == path:
            raise FileUnlisted(f"{archive}: {path} is in the bundle twice")
        if other is not None:
            raise UnsafePath(f"{archive}: {path} and {other} differ in upper case alone")
        seen[path.casefold()] = path
    for path in paths:
        folder = path.casefold().rpartition("/")[0]
        while folder:
            if folder in seen:
                raise UnsafePath(f"{archive}: {seen[folder]} is a file and the folder of {path}")
            folder = folder.rpartition("/")[0]
