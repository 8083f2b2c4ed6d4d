"""Commands and files of one Android device, through the system's `adb` and its server."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from edgecnn.errors import ConnectionLost, DeviceFailed, DeviceUnreachable

COMMAND_VARIABLE = "EDGECNN_ADB"
TIMEOUT_S = 60
SEND_S = 1800
INSTALL = "apt-get install adb, or Android's SDK Platform-Tools"
# State of `adb devices` → what to do (adb's own manual, "adb devices").
STATES = {
    "unauthorized": "it does not trust this computer: unlock it and accept the question about USB "
    "debugging; if none comes, unplug it, and revoke the authorisations in its developer options",
    "offline": "it does not answer adb: unplug it and plug it in again, or adb reconnect",
    "recovery": "it is in its recovery system; restart it",
    "sideload": "it waits for a sideload; restart it",
    "bootloader": "it is in its bootloader; restart it",
    "authorizing": "it is being authorised; try again in a moment",
    "connecting": "it is being connected; try again in a moment",
    "no permissions": "this user may not open the USB device: udev has no rule for it; "
    "apt-get install android-sdk-platform-tools-common brings some",
}
# What adb itself says of a device that went away.
LOST = ("error: closed", "device offline", "no devices/emulators found", "' not found")


class Adb:
    """adb for one device; the server that it starts stays, as after any use of adb."""

    def __init__(self, name: str, serial: str) -> None:
        """Nothing is started yet.

        Args:
            name: as messages call the device.
            serial: as `adb devices` lists it; empty for the only one.
        """
        self.name = name
        self.sent_bytes = 0
        self._serial = serial

    @cached_property
    def serial(self) -> str:
        """The device's serial number, once it is found and ready.

        Raises:
            DeviceUnreachable: no adb, no such device, several, or one that is not ready.
        """
        states = self._devices()
        listing = ", ".join(f"adb:{serial} ({state})" for serial, state in states.items())
        if not states:
            raise self._unreachable(
                "adb sees no device: plug it in, turn on USB debugging in its developer options, "
                "and try: adb devices"
            )
        if not self._serial and len(states) > 1:
            raise self._unreachable(f"adb sees several devices, name one: {listing}")
        serial = self._serial or next(iter(states))
        if serial not in states:
            raise self._unreachable(f"adb sees no device with serial {serial!r}; it has {listing}")
        if states[serial] != "device":
            advice = STATES.get(states[serial], "see adb devices")
            raise self._unreachable(f"{serial} is {states[serial]}: {advice}")
        return serial

    def command(self, script: str) -> list[str]:
        """Command that runs a script of the device's shell."""
        return [*self._adb(), "-s", self.serial, "shell", script]

    def run(self, script: str) -> str:
        """Output of a script on the device.

        Raises:
            DeviceFailed: it ended with another code than 0; carries its last line.
            DeviceUnreachable, ConnectionLost: the device is not there.
        """
        return self._run(["-s", self.serial, "shell", script])

    def push(self, file: Path, place: str) -> None:
        """Send a file to a path on the device; the folder is there.

        Raises:
            DeviceFailed: it did not arrive: no room, or no permission.
        """
        self._run(["-s", self.serial, "push", str(file), place], SEND_S)
        self.sent_bytes += file.stat().st_size

    def is_lost(self, words: str) -> bool:
        """Whether adb's error says that the device is no more there."""
        return any(one in words for one in LOST)

    def _adb(self) -> list[str]:
        words = shlex.split(os.environ.get(COMMAND_VARIABLE, "")) or ["adb"]
        if shutil.which(words[0]) is None:
            raise self._unreachable(f"{words[0]} is not installed; {INSTALL}")
        return words

    def _devices(self) -> dict[str, str]:
        """Serial → state, of all devices that the server sees."""
        states = {}
        for line in self._run(["devices"]).splitlines():
            serial, is_device, state = line.partition("\t")
            if is_device and not line.startswith("*"):
                # "no permissions (user in plugdev group; …); see [http…]"
                words = state.strip()
                states[serial] = words.partition(" (")[0].partition(";")[0]
        return states

    def _run(self, words: Sequence[str], timeout_s: float = TIMEOUT_S) -> str:
        try:
            ran = subprocess.run(
                [*self._adb(), *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DeviceFailed(
                f"{self.name} gave no answer in {timeout_s:g} s", device=self.name
            ) from error
        except OSError as error:
            raise self._unreachable(f"adb does not run: {error.strerror}; {INSTALL}") from error
        if ran.returncode == 0:
            return ran.stdout
        said = ran.stderr.strip() or ran.stdout.strip()
        lines = said.splitlines() or [f"exit code {ran.returncode}"]
        # A push that fails ends with its rate all the same.
        last = next((line for line in lines if "error: " in line), lines[-1])[:300]
        if "cannot connect to daemon" in said or "failed to start daemon" in said:
            raise self._unreachable(f"adb's server does not start: {last}; try: adb start-server")
        if self.is_lost(said):
            raise ConnectionLost(f"the connection to {self.name} broke: {last}", device=self.name)
        raise DeviceFailed(f"{self.name}: {last}", device=self.name)

    def _unreachable(self, reason: str) -> DeviceUnreachable:
        return DeviceUnreachable(f"{self.name}: {reason}", device=self.name)
