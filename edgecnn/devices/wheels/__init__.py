"""Engines for a board, as wheels that are chosen and fetched here: the board needs no network."""

from edgecnn.devices.wheels.choose import choose
from edgecnn.devices.wheels.index import IndexUnreachable, Wheel
from edgecnn.devices.wheels.store import fetch_wheels
from edgecnn.devices.wheels.supply import Supplies, Supply
from edgecnn.devices.wheels.target import WheelTarget

__all__ = [
    "IndexUnreachable",
    "Supplies",
    "Supply",
    "Wheel",
    "WheelTarget",
    "choose",
    "fetch_wheels",
]
