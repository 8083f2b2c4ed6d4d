"""List of all devices that can be named, and whether each is reachable."""

from __future__ import annotations

import os
import queue
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from edgecnn.devices.board import Facts
from edgecnn.devices.configured import Configured, read_devices
from edgecnn.devices.find import board_of, emulatable
from edgecnn.devices.names import BROWSER, EMULATED, HOST
from edgecnn.devices.probe import OLDEST_PYTHON
from edgecnn.errors import BrowserUnavailable
from edgecnn.web.browser import find_browser
from edgecnn_runtime.errors import EdgeCNNError

ANSWER_S = 5.0
QEMU = "qemu-aarch64"


@dataclass(frozen=True)
class ListedDevice:
    """A device in the list.

    Attributes:
        kind: ``host``, ``browser``, ``local`` (an interpreter on this machine), ``ssh`` or
            ``emulated``.
        where: how it is reached.
        is_there: whether it answers; None where it was not contacted.
        status: what the device is, or why it is not there.
    """

    name: str
    kind: str
    where: str
    profile: str | None
    is_there: bool | None
    status: str

    def to_json(self) -> dict[str, Any]:
        """As JSON values, with the status as "said"."""
        fields = asdict(self)
        return fields | {"said": fields.pop("status")}


def device_rows(*, is_asked: bool, answer_s: float = ANSWER_S) -> list[ListedDevice]:
    """This machine, the user's devices, and the boards that can be emulated here.

    Args:
        is_asked: whether boards are contacted, all at once.
        answer_s: seconds to wait for their answers.

    Raises:
        DeviceConfigInvalid: the file of devices is invalid.
    """
    configured = read_devices()
    boards = [Configured(HOST), *(one for one in configured.values() if one.ssh is not None)]
    statuses = _ask(boards, answer_s) if is_asked else {}
    rows = [
        ListedDevice(HOST, "host", "this machine", None, True, statuses.get(HOST, (True, ""))[1]),
        _browser(),
    ]
    for one in configured.values():
        if one.ssh is None:
            rows.append(_interpreter(one))
            continue
        row = ListedDevice(one.name, "ssh", address(one), one.profile_name, None, "")
        if one.name in statuses:
            is_there, words = statuses[one.name]
            row = replace(row, is_there=is_there, status=words)
        rows.append(row)
    is_qemu_there = shutil.which(QEMU) is not None or shutil.which(f"{QEMU}-static") is not None
    lacking = "" if is_qemu_there else "qemu-user is not installed; apt-get install qemu-user"
    rows += [
        ListedDevice(f"{name}{EMULATED}", "emulated", profile.title, name, is_qemu_there, lacking)
        for name, profile in emulatable().items()
    ]
    return rows


def address(device: Configured) -> str:
    """The ssh target, with the port where it is not the default."""
    return f"{device.ssh}, port {device.port}" if device.port else str(device.ssh)


def summary(facts: Facts) -> str:
    """A board in one line."""
    known = [
        facts.model,
        f"{facts.cores} × {facts.cpu}" if facts.cpu else f"{facts.cores} cores",
        userland(facts),
        f"{facts.memory_bytes / 1e9:.1f} GB" if facts.memory_bytes else None,
        python(facts),
    ]
    return ", ".join(one for one in known if one)


def userland(facts: Facts) -> str:
    """The userland: architecture and libc of programs, apart from the kernel's."""
    if facts.machine == facts.kernel:
        return facts.machine
    return f"{facts.machine} on a kernel for {facts.kernel}"


def python(facts: Facts) -> str:
    """The Python that edgecnn takes, or what there is instead."""
    if not facts.pythons:
        return "no Python"
    version = facts.pythons[0].version
    written = "Python {}.{}.{}".format(*version)
    return written if version[:2] >= OLDEST_PYTHON else f"{written}, too old"


def _browser() -> ListedDevice:
    try:
        found = find_browser()
    except BrowserUnavailable as error:
        return ListedDevice(BROWSER, "browser", "this machine", None, False, str(error))
    status = f"{found.product} {found.version}"
    return ListedDevice(BROWSER, "browser", found.path, None, True, status)


def _interpreter(device: Configured) -> ListedDevice:
    path = str(device.python)
    is_there = os.access(path, os.X_OK)
    status = "" if is_there else "no such program"
    return ListedDevice(device.name, "local", path, None, is_there, status)


def _ask(devices: Sequence[Configured], answer_s: float) -> dict[str, tuple[bool, str]]:
    """Status of every board; one without a reply in time is listed as not answering."""
    answers: queue.SimpleQueue[tuple[str, bool, str]] = queue.SimpleQueue()

    def ask(device: Configured) -> None:
        board = board_of(device)
        try:
            answers.put((device.name, True, summary(board.facts())))
        except EdgeCNNError as error:
            answers.put((device.name, False, " ".join(str(error).split())))
        finally:
            board.close()

    for device in devices:
        # A thread of an executor would be waited for at the end of the program.
        threading.Thread(target=ask, args=(device,), daemon=True).start()
    statuses: dict[str, tuple[bool, str]] = {}
    end = time.monotonic() + answer_s
    while len(statuses) < len(devices) and (left := end - time.monotonic()) > 0:
        try:
            name, is_there, words = answers.get(timeout=left)
        except queue.Empty:
            break
        statuses[name] = (is_there, words)
    for device in devices:
        silence = f"no answer in {answer_s:g} s; edgecnn doctor --device {device.name} waits longer"
        statuses.setdefault(device.name, (False, silence))
    return statuses
