"""Wheels for boards in the user's cache, each under its digest, downloaded once."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from edgecnn.devices.wheels.index import Wheel, download_wheel
from edgecnn.devices.wheels.target import WheelTarget
from edgecnn.errors import FetchedDigestMismatch, FetchError
from edgecnn.fetch import cache_folder


def fetch_wheels(wheels: Sequence[Wheel], target: WheelTarget) -> Mapping[Wheel, Path]:
    """Path of each wheel; missing ones are downloaded, and their digests checked.

    Raises:
        NoWheel: the index no longer has one of these files.
        IndexUnreachable: one has to be downloaded, and pip cannot.
        FetchedDigestMismatch: what came is another file.
        FetchError: the cache cannot be written.
    """
    return {wheel: _fetch(wheel, target) for wheel in wheels}


def _fetch(wheel: Wheel, target: WheelTarget) -> Path:
    folder = cache_folder() / "wheels"
    path = folder / f"{wheel.sha256}.whl"
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f".{wheel.sha256}.lock"):
            if not path.is_file():  # another process may have fetched it while this one waited
                _download(wheel, target, path)
    except OSError as error:
        raise FetchError(
            f"cannot keep {wheel.file} in {folder}: {error.strerror or error}; "
            "set EDGECNN_CACHE to a folder that can be written and has room"
        ) from error
    return path


def _download(wheel: Wheel, target: WheelTarget, path: Path) -> None:
    part = path.with_name(f".{wheel.sha256}.part")
    shutil.rmtree(part, ignore_errors=True)  # what a killed run left
    part.mkdir()
    try:
        came = download_wheel(wheel, target, part)
        with came.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if digest != wheel.sha256:
            raise FetchedDigestMismatch(
                f"{wheel.file} came with sha256 {digest}, expected {wheel.sha256}, discarded"
            )
        came.replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock of a file between threads and processes; the end of a process releases it."""
    with path.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    path.unlink(missing_ok=True)
