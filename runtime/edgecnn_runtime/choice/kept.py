"""Latencies that benches of this machine have kept, one small file an artefact.

They are named by the artefact's digest. Whatever else lies in their folder is no measurement, and
is ignored.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from edgecnn_runtime.choice.latencies import KnownLatency, latencies_from_json
from edgecnn_runtime.errors import OutputNotWritable

SCHEMA = "edgecnn.measured/1"
MOST_BYTES = 1 << 16
MOST_ROWS = 100
FOLDER = "measured"


def measured_folder() -> Path | None:
    """The folder of the measurements: $EDGECNN_MEASURED, or ``measured`` in the user's cache.

    None where $EDGECNN_MEASURED is set and empty, and in a process without a home folder.
    """
    if (own := os.environ.get("EDGECNN_MEASURED")) is not None:
        return Path(own).absolute() if own else None
    if chosen := os.environ.get("EDGECNN_CACHE"):
        return Path(chosen).absolute() / FOLDER
    base = _user_cache()
    return None if base is None else base / "edgecnn" / FOLDER


def kept_latencies(digests: Iterable[str]) -> tuple[KnownLatency, ...]:
    """What was measured of artefacts with these digests; nothing where it cannot be read."""
    folder = measured_folder()
    if folder is None or not folder.is_dir():
        return ()
    return tuple(row for digest in dict.fromkeys(digests) for row in _read(folder, digest))


def keep_latencies(rows: Iterable[KnownLatency]) -> bool:
    """Keep rows of a bench in place of earlier ones of the same; False where that fails."""
    from edgecnn_runtime.atomic import replace_file

    folder = measured_folder()
    if folder is None:
        return False
    by_digest: dict[str, dict[object, KnownLatency]] = {}
    for row in rows:
        by_digest.setdefault(row.sha256, {})[row.key] = row
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for digest, own in by_digest.items():
            earlier = {row.key: row for row in _read(folder, digest)}
            last = [row.to_json() for row in (earlier | own).values()][-MOST_ROWS:]
            content = json.dumps({"schema": SCHEMA, "rows": last}).encode()
            with replace_file(folder / _name(digest)) as stream:
                stream.write(content)
    except (OSError, OutputNotWritable):
        return False
    return True


def _name(digest: str) -> str:
    return f"{digest[:32]}.json"


def _read(folder: Path, digest: str) -> list[KnownLatency]:
    content = _small_file(folder / _name(digest))
    if not content:
        return []
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return []
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        return []
    rows = latencies_from_json(document.get("rows"))
    return [row for row in rows if row.sha256 == digest]


def _small_file(path: Path) -> bytes:
    """The content of a plain file of at most `MOST_BYTES`; empty for anything else.

    It is never waited for: a named pipe may stand in its place.
    """
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except (OSError, ValueError):
        return b""
    try:
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode) or about.st_size > MOST_BYTES:
            return b""
        with contextlib.suppress(OSError):
            return os.read(file, MOST_BYTES)
        return b""
    finally:
        os.close(file)


def _user_cache() -> Path | None:
    """The folder that programs of this user cache in."""
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else None
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen)
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache")
