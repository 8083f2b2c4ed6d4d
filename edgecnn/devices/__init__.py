"""The devices that a bench can reach: this machine, boards over ssh, and emulated ones."""

from edgecnn.devices.find import find_boards

__all__ = ["find_boards"]
