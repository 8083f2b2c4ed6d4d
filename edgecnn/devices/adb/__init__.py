"""Android devices over adb, the Android Debug Bridge: plans, measured by the static agent."""

from edgecnn.devices.adb.board import AdbBoard

__all__ = ["AdbBoard"]
