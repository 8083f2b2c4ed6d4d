"""Cache folders that are built once and appear atomically."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from edgecnn.fetch import cache_folder


def build_once(
    name: str, recipe: str, build: Callable[[Path], None], room: str = "emulated"
) -> Path:
    """The folder that `build` filled, made on the first call; a killed build leaves none.

    Args:
        name: the folder's, before the digest.
        recipe: all that decides what is in it; another recipe is another folder.
        build: fills the folder that it is given, which exists and is empty.
        room: the folder of the cache that it is in.
    """
    parent = (cache_folder() / room).absolute()
    digest = hashlib.sha256(recipe.encode()).hexdigest()[:12]
    folder = parent / f"{name}-{digest}"
    if folder.is_dir():
        return folder
    parent.mkdir(parents=True, exist_ok=True)
    with _locked(parent / f".{folder.name}.lock"):
        if not folder.is_dir():  # another process may have built it while this one waited
            part = parent / f".{folder.name}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            try:
                build(part)
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return folder


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lock of a file between processes; the end of a process releases it."""
    with path.open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
