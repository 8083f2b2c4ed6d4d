"""The store on a board: agent and engine wheels, kept by digest between benches.

Everything is in one private folder, ``~/.cache/edgecnn`` (XDG_CACHE_HOME is honoured). What comes
over the line is written under another name and renamed when it is whole.
"""

from __future__ import annotations

import re
import secrets
import shlex
import shutil
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgecnn.devices.probe import free_bytes
from edgecnn.devices.ssh.connection import Connection, RemoteFailed, Write
from edgecnn.errors import DeviceFailed, DeviceUnsuitable
from edgecnn_runtime.bundle.outside import SUFFIX

SEND_S = 1800
# A wheel in its folder, until it is unpacked.
PACKED = ".whl"
# Run by the board's Python. What a wheel has in *.data/purelib and platlib belongs beside the rest
# (Binary distribution format, "Installing a wheel").
UNPACK = f"""
import glob, hashlib, os, shutil, sys, zipfile
sha256, folder = sys.argv[1:]
packed = os.path.join(folder, {PACKED!r})
with open(packed, "rb") as stream:
    digest = hashlib.file_digest(stream, "sha256").hexdigest()
if digest != sha256:
    sys.exit("it came with sha256 " + digest)
with zipfile.ZipFile(packed) as archive:
    archive.extractall(folder)
os.unlink(packed)
for part in glob.glob(os.path.join(glob.escape(folder), "*.data", "*lib")):
    shutil.copytree(part, folder, dirs_exist_ok=True)
"""
STALE_MIN = 2 * SEND_S // 60
# For compiled modules, which Python writes beside the sources, and a system that has to breathe.
ROOM_BYTES = 32 << 20


def with_golden(bundle: Path) -> list[Path]:
    """A bundle, and the file of golden examples beside it where there is one."""
    beside = bundle.with_suffix(SUFFIX)
    return [bundle, beside] if beside.is_file() else [bundle]


@dataclass(frozen=True)
class Store:
    """The folder on the board, and the connection that leads there."""

    connection: Connection
    folder: str

    def content(self) -> frozenset[str]:
        """Content of the store, as ``wheels/SHA256`` and ``agents/SHA256.pyz``.

        Raises:
            DeviceUnsuitable: the folder cannot be created.
        """
        script = f"""
umask 077
cd {shlex.quote(self.folder)} 2>/dev/null || {{
    mkdir -p {shlex.quote(self.folder)} && cd {shlex.quote(self.folder)} || exit 3
}}
chmod 700 . && mkdir -p wheels agents runs || exit 3
# Parts of transfers that a power cut ended; another bench may be sending one right now.
find wheels agents -maxdepth 1 -name '.*.part' -mmin +{STALE_MIN} -exec rm -rf {{}} + 2>/dev/null
for one in wheels/* agents/*; do if [ -e "$one" ]; then printf '%s\\n' "$one"; fi; done
"""
        try:
            return frozenset(self.connection.run(script).splitlines())
        except RemoteFailed as error:
            raise DeviceUnsuitable(
                f"{self.connection.name}: {self.folder} cannot be created there: {error.reason}; "
                "give the user a writable home",
                device=self.connection.name,
            ) from error

    def free_bytes(self) -> int | None:
        """Free bytes of the store's disk; None where the board does not report it."""
        answer = self.connection.run(f"df -Pk {shlex.quote(self.folder)} 2>/dev/null | tail -n 1")
        return free_bytes(answer)

    def put_wheel(self, wheel: Path, sha256: str, python: str) -> None:
        """Unpack a wheel into the folder ``wheels/SHA256``.

        It is sent as it is, its smallest form; an interpreter of the board checks its digest and
        unpacks it.
        """
        unpack = shlex.join([python, "-S", "-s", "-c", UNPACK, sha256])
        receive = f'mkdir "$part" && cat >"$part/{PACKED}" && {unpack} "$part"'
        self._put(f"wheels/{sha256}", receive, lambda pipe: _copy(wheel, pipe))

    def put_agent(self, agent: Path, name: str, *, is_program: bool = False) -> None:
        """Send the agent as ``agents/NAME``; a program may be executed there."""
        receive = _whole(agent.stat().st_size)
        if is_program:
            receive = f'{receive} && chmod 700 "$part"'
        self._put(f"agents/{name}", receive, lambda pipe: _copy(agent, pipe))

    def put_bundle(self, bundle: Path, place: str) -> None:
        """Send a bundle, or the file beside it, into a run's folder."""
        self._put(place, _whole(bundle.stat().st_size), lambda pipe: _copy(bundle, pipe))

    def put_content(self, content: bytes, path: str) -> None:
        """Send bytes into a run's folder, to an absolute path in the store."""
        place = path.removeprefix(f"{self.folder}/")
        self._put(place, _whole(len(content)), lambda pipe: _write(content, pipe))

    def _put(self, place: str, receive: str, write: Write) -> None:
        script = f"""
umask 077
cd {shlex.quote(self.folder)} || exit 3
place={shlex.quote(place)}
part={shlex.quote(f"{_parent(place)}/.{secrets.token_hex(8)}.part")}
trap 'rm -rf "$part"' EXIT
trap 'exit 4' HUP INT TERM
parent={shlex.quote(_parent(place))}
# Not with -p: the folder of a run is gone when its keeper has seen the connection end.
[ -d "$parent" ] || mkdir "$parent" || exit 3
{receive} || exit 5
if [ -e "$place" ]; then exit 0; fi
mv "$part" "$place"
# If another bench finished first, mv moved this part into its folder.
if [ -e "$place/${{part##*/}}" ]; then rm -rf "$place/${{part##*/}}"; fi
"""
        try:
            self.connection.run(script, write, timeout_s=SEND_S)
        except RemoteFailed as error:
            raise self._failure(place, error) from error

    def _failure(self, place: str, error: RemoteFailed) -> DeviceFailed:
        name = self.connection.name
        if re.search("No space left|Disk quota|File too large", error.stderr):
            return DeviceUnsuitable(
                f"{name}: its disk is full: {self.folder} has no room for {place}; free some, or "
                "point XDG_CACHE_HOME there to another disk",
                device=name,
            )
        if missing := re.search(r"(?:No module named|import of) '?([\w.]+)", error.stderr):
            return DeviceUnsuitable(
                f"{name}: its Python has no module {missing[1]}, which unpacks what is sent; on "
                "the board: sudo apt install python3",
                device=name,
            )
        return DeviceFailed(f"{name}: {place} did not arrive whole: {error.reason}", device=name)


def _whole(size: int) -> str:
    # A link that breaks looks like an end to `cat`.
    return f'cat >"$part" && [ "$(wc -c <"$part")" -eq {size} ]'


def _copy(source: Path, pipe: IO[bytes]) -> None:
    with source.open("rb") as stream:
        shutil.copyfileobj(stream, pipe)


def _write(content: bytes, pipe: IO[bytes]) -> None:
    pipe.write(content)


def _parent(place: str) -> str:
    return place.rpartition("/")[0]


def wheel_bytes(wheels: Iterable[Path]) -> int:
    """Disk space for these wheels while they are unpacked, one after the other."""
    unpacked, packed = 0, 0
    for wheel in wheels:
        packed = max(packed, wheel.stat().st_size)
        with zipfile.ZipFile(wheel) as archive:
            unpacked += sum(member.file_size for member in archive.infolist())
    return unpacked + packed


def check_room(name: str, what: str, needed_bytes: int, free_bytes: int | None) -> None:
    """Check the free disk space of the board.

    Raises:
        DeviceUnsuitable: there is too little; the message says how much is needed.
    """
    needed = needed_bytes + ROOM_BYTES
    if free_bytes is not None and needed_bytes and needed > free_bytes:
        raise DeviceUnsuitable(
            f"{name}: {what}: {needed / 1e6:.0f} MB are needed and {free_bytes / 1e6:.0f} MB are "
            "free there; free some, or point XDG_CACHE_HOME there to another disk",
            device=name,
        )
