"""Gradients of poolings."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.rule import Backward


def global_average_pool(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of GlobalAveragePool: ``dx[n, c, h, w] = dy[n, c] / (H W)``, equal shares."""
    size = back.shape()[2:]
    if None in size:
        raise back.refused(f"the size of {back.input(0).name} is not fixed")
    count = prod(extent for extent in size if extent is not None)
    share = back.emit("Mul", back.gradient, np.array(1 / count, np.float32))
    return {0: back.emit("Expand", share, [1, 1, *(extent or 1 for extent in size)])}


def max_pool(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of MaxPool: to the largest of each window alone, the first of equal ones."""
    raise back.refused("not yet")
