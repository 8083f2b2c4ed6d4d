"""JSON documents of ``edgecnn devices``, ``devices add`` and ``devices remove``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DeviceFields:
    """A device that ``--device`` can name.

    Attributes:
        name: for ``--device``.
        kind: "host", "browser", "local" (an interpreter on this machine), "ssh" or "emulated".
        where: how it is reached.
        profile: name of the kind of board; null where it is unknown.
        is_there: whether it answers; null where it was not contacted.
        said: what it is, or why it is not there.
    """

    name: str
    kind: str
    where: str
    profile: str | None
    is_there: bool | None
    said: str


@dataclass(frozen=True)
class DevicesDocument:
    """Devices that bench and doctor know.

    Attributes:
        file: the user's file of devices.
        devices: this machine first.
    """

    file: str
    devices: tuple[DeviceFields, ...]


@dataclass(frozen=True)
class DevicesAddDocument:
    """A device that was added.

    Attributes:
        name: for ``--device``.
        file: that stores it.
        profile: name of the kind of board; null where it is unknown.
        said: what it is; empty where it was not contacted.
    """

    name: str
    file: str
    profile: str | None
    said: str


@dataclass(frozen=True)
class DevicesRemoveDocument:
    """A device that was removed.

    Attributes:
        name: of the device.
        file: that stored it.
    """

    name: str
    file: str
