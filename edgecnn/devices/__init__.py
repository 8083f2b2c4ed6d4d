"""The devices that a bench can reach: this machine, boards over ssh, and emulated ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edgecnn.devices.find import find_boards
from edgecnn.devices.local import this_machine
from edgecnn.errors import UnknownDevice

__all__ = ["find_boards", "find_device"]


class LocalDevice:
    """This machine, asked one thing at a time."""

    name = "host"

    def run(self, arguments: Sequence[str], progress: Callable[[float], None]) -> dict[str, Any]:
        """Run the agent with these arguments, and return its last event."""
        last: dict[str, Any] = {}
        with this_machine().agent("host", arguments) as events:
            for last in events:
                if last["event"] == "progress":
                    progress(last["done"])
        return last


def find_device(name: str) -> LocalDevice:
    """This machine, under its name."""
    if name == LocalDevice.name:
        return LocalDevice()
    raise UnknownDevice(f"no device is called {name!r}; known: host")
