"""Results of `edgecnn devices`, `devices add`, `devices remove` and `devices show`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from edgecnn.results.result import Result

if TYPE_CHECKING:
    from edgecnn.devices.configured import Configured
    from edgecnn.devices.listing import ListedDevice
    from edgecnn.devices.profile import Profile
    from edgecnn.documents.devices import (
        DevicesAddDocument,
        DevicesDocument,
        DevicesRemoveDocument,
    )
    from edgecnn.report.blocks import Block


@dataclass(frozen=True)
class DevicesResult(Result):
    """Result of ``edgecnn devices``: the user's file, and all devices that can be named."""

    SCHEMA: ClassVar[str] = "edgecnn.devices/1"

    file: Path
    devices: tuple[ListedDevice, ...]

    def blocks(self) -> list[Block]:
        from edgecnn.report.devices_tables import devices_blocks

        return devices_blocks(self.devices)

    def document(self) -> DevicesDocument:
        from edgecnn.documents.devices import DeviceFields, DevicesDocument

        fields = tuple(DeviceFields(**row.to_json()) for row in self.devices)
        return DevicesDocument(str(self.file), fields)

    def rows(self) -> list[dict[str, Any]]:
        return [row.to_json() for row in self.devices]


def list_devices(*, is_asked: bool) -> DevicesResult:
    """This machine, the user's devices, and the boards that can be emulated here.

    Args:
        is_asked: whether boards are contacted, all at once.

    Raises:
        DeviceConfigInvalid: the file of devices is invalid.
    """
    from edgecnn.devices.configured import config_path
    from edgecnn.devices.listing import device_rows

    return DevicesResult(config_path(), tuple(device_rows(is_asked=is_asked)))


@dataclass(frozen=True)
class DeviceAddedResult(Result):
    """Result of ``edgecnn devices add``.

    Attributes:
        device: as it was stored.
        described: what it is, in one line; empty where it was not contacted.
        file: that stores it.
    """

    SCHEMA: ClassVar[str] = "edgecnn.devices-add/1"

    device: Configured
    described: str
    file: Path

    def blocks(self) -> list[Block]:
        from edgecnn.report.devices_tables import added_blocks

        return added_blocks(self.device, self.described, self.file)

    def document(self) -> DevicesAddDocument:
        from edgecnn.documents.devices import DevicesAddDocument

        return DevicesAddDocument(
            self.device.name, str(self.file), self.device.profile_name, self.described
        )

    def rows(self) -> list[dict[str, Any]]:
        return [asdict(self.document())]


@dataclass(frozen=True)
class DeviceRemovedResult(Result):
    """Result of ``edgecnn devices remove``."""

    SCHEMA: ClassVar[str] = "edgecnn.devices-remove/1"

    name: str
    file: Path

    def blocks(self) -> list[Block]:
        return [f"removed {self.name} from {self.file}"]

    def document(self) -> DevicesRemoveDocument:
        from edgecnn.documents.devices import DevicesRemoveDocument

        return DevicesRemoveDocument(self.name, str(self.file))

    def rows(self) -> list[dict[str, Any]]:
        return [{"name": self.name, "file": str(self.file)}]


@dataclass(frozen=True)
class ProfileResult(Result):
    """Result of ``edgecnn devices show``: the figures of a kind of board."""

    SCHEMA: ClassVar[str] = "edgecnn.profile/1"

    profile: Profile

    def blocks(self) -> list[Block]:
        from edgecnn.report.devices_tables import profile_blocks

        return profile_blocks(self.profile)

    def document(self) -> Profile:
        return self.profile

    def rows(self) -> list[dict[str, Any]]:
        return [asdict(cluster) for cluster in self.profile.clusters]
