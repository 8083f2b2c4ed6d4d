"""Smallest square input that a network runs on, and why an input fails."""

from __future__ import annotations

from torch import nn

from edgecnn.zoo.analysis.tracing import trace_shapes
from edgecnn_runtime.errors import EdgeCNNError, first_line

# Sides that networks are made for, tried where a network takes one size only.
_SMALL = (28, 32, 48, 64, 96, 112, 128, 160, 192, 224, 227, 240)
USUAL_SIDES = (*_SMALL, 256, 299, 300, 320, 380, 384, 448, 456, 512, 528, 600, 640, 1024)
USUAL_CHANNELS = (1, 3, 4)


def find_smallest_side(network: nn.Module, channels: int) -> int | None:
    """Pixels of the least square input that the network runs on, by bisection.

    Between a size that fails and a larger one that runs there is one border, which holds of
    networks of convolutions and poolings. None if no usual size runs.
    """
    works = next((side for side in USUAL_SIDES if _runs(network, (channels, side, side))), None)
    if works is None:
        return None
    fails = 0
    while works - fails > 1:
        middle = (works + fails) // 2
        if _runs(network, (channels, middle, middle)):
            works = middle
        else:
            fails = middle
    return works


def check_size(network: nn.Module, shape: tuple[int, int, int]) -> None:
    """Check that the network runs on an input of (channels, height, width).

    Raises:
        EdgeCNNError: it does not; names the least input that it runs on.
    """
    try:
        trace_shapes(network, shape)
    except Exception as error:  # a user's forward may raise anything
        size = "x".join(map(str, (1, *shape)))
        message = f"the network does not run on an input of {size}: {first_line(error)}"
        raise EdgeCNNError(explain_failure(network, shape, message)) from error


def explain_failure(network: nn.Module, shape: tuple[int, int, int], message: str) -> str:
    """The message of a failed run, and the least input that works where there is one."""
    channels, height, width = shape
    side = find_smallest_side(network, channels)
    if side is not None:
        return f"{message}; the least square input that works is 1x{channels}x{side}x{side}"
    for other in USUAL_CHANNELS:
        if _runs(network, (other, height, width)) or find_smallest_side(network, other):
            return f"the network reads images of {other} channels, not of {channels}; {message}"
    return f"{message}; no usual square size runs either"


def _runs(network: nn.Module, shape: tuple[int, int, int]) -> bool:
    try:
        trace_shapes(network, shape)
    except Exception:  # a user's forward may raise anything
        return False
    return True
