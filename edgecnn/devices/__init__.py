"""The devices that a bench can reach. For now there is one: this machine."""

from __future__ import annotations

import difflib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from edgecnn.errors import DeviceFailed, UnknownDevice

Progress = Callable[[float], None]


class Device(Protocol):
    """A machine that runs the agent, `edgecnn_runtime`."""

    name: str

    def run(self, arguments: Sequence[str], progress: Progress) -> dict[str, Any]:
        """Run the agent with these arguments, and return its last event.

        Args:
            progress: told the share done, 0 to 1.

        Raises:
            DeviceFailed: the agent refused or failed; carries its message.
        """
        ...


class LocalDevice:
    """This machine: the agent is a process of this interpreter."""

    name = "host"

    def run(self, arguments: Sequence[str], progress: Progress) -> dict[str, Any]:
        command = [sys.executable, "-m", "edgecnn_runtime", *arguments]
        last: dict[str, Any] = {}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as agent:
            assert agent.stdout is not None
            assert agent.stderr is not None
            try:
                for line in agent.stdout:
                    last = json.loads(line)
                    if last["event"] == "progress":
                        progress(last["done"])
                said = agent.stderr.read().strip()
            except BaseException:
                agent.kill()
                raise
        if agent.returncode:
            final = said.splitlines()[-1] if said else f"exit code {agent.returncode}"
            raise DeviceFailed(final.removeprefix("edgecnn_runtime: "))
        return last


DEVICES: dict[str, Callable[[], Device]] = {"host": LocalDevice}


def find_device(name: str) -> Device:
    """The device of that name.

    Raises:
        UnknownDevice: there is none; offers the nearest names.
    """
    if name in DEVICES:
        return DEVICES[name]()
    near = difflib.get_close_matches(name, DEVICES, 3, 0.4)
    offer = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(DEVICES)}"
    raise UnknownDevice(f"no device is called {name!r}; {offer}")
