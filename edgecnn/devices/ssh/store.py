"""What lies on a board between benches: the agent and engines, each under its digest.

Everything is in one private folder, ``~/.cache/edgecnn`` (XDG_CACHE_HOME is honoured). What comes
over the line is written under another name and renamed when it is whole.
"""

from __future__ import annotations

import gzip
import re
import secrets
import shlex
import shutil
import tarfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgecnn.devices.probe import free_bytes
from edgecnn.devices.ssh.connection import Connection, RemoteFailed, Write
from edgecnn.errors import DeviceFailed, DeviceUnsuitable

SEND_S = 1800
# gzip's fourth level: nearly as small as a wheel, at a third of the time of the sixth.
COMPRESSION = 4
STALE_MIN = 2 * SEND_S // 60
# For compiled modules, which Python writes beside the sources, and a system that has to breathe.
ROOM_BYTES = 32 << 20


@dataclass(frozen=True)
class Store:
    """The folder on the board, and the connection that leads there."""

    connection: Connection
    folder: str

    def held(self) -> frozenset[str]:
        """What lies there, as ``wheels/SHA256`` and ``agents/SHA256.pyz``.

        Raises:
            DeviceUnsuitable: the folder cannot be made.
        """
        script = f"""
umask 077
cd {shlex.quote(self.folder)} 2>/dev/null || {{
    mkdir -p {shlex.quote(self.folder)} && cd {shlex.quote(self.folder)} || exit 3
}}
chmod 700 . && mkdir -p wheels agents runs || exit 3
# What a power cut left of one that was on its way; another bench may send one right now.
find wheels agents -maxdepth 1 -name '.*.part' -mmin +{STALE_MIN} -exec rm -rf {{}} + 2>/dev/null
for one in wheels/* agents/*; do if [ -e "$one" ]; then printf '%s\\n' "$one"; fi; done
"""
        try:
            return frozenset(self.connection.run(script).splitlines())
        except RemoteFailed as error:
            raise DeviceUnsuitable(
                f"{self.connection.name}: {self.folder} cannot be made there: {error.said}; give "
                "the user a home that can be written"
            ) from error

    def free_bytes(self) -> int | None:
        """How much fits there now; None where the board does not say."""
        answer = self.connection.run(f"df -Pk {shlex.quote(self.folder)} 2>/dev/null | tail -n 1")
        return free_bytes(answer)

    def put_wheel(self, wheel: Path, name: str) -> None:
        """The wheel's content lies in the folder ``wheels/NAME``."""

        def write(pipe: IO[bytes]) -> None:
            with (
                zipfile.ZipFile(wheel) as archive,
                gzip.GzipFile(fileobj=pipe, mode="wb", compresslevel=COMPRESSION) as packed,
                tarfile.open(fileobj=packed, mode="w|") as tar,
            ):
                for member in archive.infolist():
                    if not member.is_dir():
                        _add(tar, archive, member)

        self._put(f"wheels/{name}", 'mkdir "$part" && tar -xzf - -C "$part"', write)

    def put_agent(self, agent: Path, name: str) -> None:
        """The agent lies there as ``agents/NAME``."""
        self._put(f"agents/{name}", _whole(agent), lambda pipe: _copy(agent, pipe))

    def put_bundle(self, bundle: Path, place: str) -> None:
        """The bundle lies in a run's folder, at a path below ours."""
        self._put(place, _whole(bundle), lambda pipe: _copy(bundle, pipe))

    def _put(self, place: str, receive: str, write: Write) -> None:
        script = f"""
umask 077
cd {shlex.quote(self.folder)} || exit 3
place={shlex.quote(place)}
part={shlex.quote(f"{_parent(place)}/.{secrets.token_hex(8)}.part")}
trap 'rm -rf "$part"' EXIT
trap 'exit 4' HUP INT TERM
mkdir -p {shlex.quote(_parent(place))} || exit 3
{receive} || exit 5
if [ -e "$place" ]; then exit 0; fi
mv "$part" "$place"
# Where another bench was faster by a hair, that moved ours into its folder.
if [ -e "$place/${{part##*/}}" ]; then rm -rf "$place/${{part##*/}}"; fi
"""
        try:
            self.connection.run(script, write, timeout_s=SEND_S)
        except RemoteFailed as error:
            raise self._why(place, error) from error

    def _why(self, place: str, error: RemoteFailed) -> DeviceFailed:
        name = self.connection.name
        if re.search("No space left|Disk quota|File too large", error.stderr):
            return DeviceUnsuitable(
                f"{name}: its disk is full: {self.folder} has no room for {place}; free some, or "
                "point XDG_CACHE_HOME there to another disk"
            )
        if missing := re.search(
            r"\b(tar|gzip): (?:command )?(?:not found|Cannot exec)", error.stderr
        ):
            return DeviceUnsuitable(
                f"{name} has no {missing[1]}, which unpacks what is sent; on the board: sudo apt "
                f"install {missing[1]}"
            )
        return DeviceFailed(f"{name}: {place} did not arrive whole: {error.said}")


def _add(tar: tarfile.TarFile, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    info = tarfile.TarInfo(member.filename)
    info.size = member.file_size
    info.mode = 0o755 if member.external_attr >> 16 & 0o100 else 0o644
    with archive.open(member) as stream:
        tar.addfile(info, stream)


def _whole(file: Path) -> str:
    # A link that breaks looks like an end to `cat`; tar and gzip know better.
    return f'cat >"$part" && [ "$(wc -c <"$part")" -eq {file.stat().st_size} ]'


def _copy(source: Path, pipe: IO[bytes]) -> None:
    with source.open("rb") as stream:
        shutil.copyfileobj(stream, pipe)


def _parent(place: str) -> str:
    return place.rpartition("/")[0]


def wheel_bytes(wheels: Iterable[Path]) -> int:
    """What these wheels take when they are unpacked."""
    total = 0
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            total += sum(member.file_size for member in archive.infolist())
    return total


def check_room(name: str, what: str, needed_bytes: int, free_bytes: int | None) -> None:
    """There is room on the board for so much.

    Raises:
        DeviceUnsuitable: there is not; says how much is needed.
    """
    needed = needed_bytes + ROOM_BYTES
    if free_bytes is not None and needed_bytes and needed > free_bytes:
        raise DeviceUnsuitable(
            f"{name}: {what}: {needed / 1e6:.0f} MB are needed and {free_bytes / 1e6:.0f} MB are "
            "free there; free some, or point XDG_CACHE_HOME there to another disk"
        )
