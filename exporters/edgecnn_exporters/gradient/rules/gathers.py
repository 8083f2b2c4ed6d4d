"""Gradient of Gather with constant indices: the sum over all places that a value was taken to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.rule import Backward
from edgecnn_exporters.passes.graph import constant
from edgecnn_runtime.arrays import Array


def gather(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Gather: ``dx[i] = sum of dy[j] over all j with index[j] = i``, along the axis.

    A second Gather reads, for each i, its places in dy, and a zero behind them for those that have
    fewer than others: no scattering, whose sums have no fixed order.
    """
    emit = back.emit
    shape, result = back.shape(), back.output_shape()
    axis = back.node.attributes.get_int("axis", 0) % len(shape)
    extent, indices = shape[axis], constant(back.input(1))
    if extent is None or indices is None:
        raise back.refused("its indices are computed, or the size of its axis is not fixed")
    flat = indices.reshape(-1) % extent
    gradient = back.gradient
    if indices.ndim != 1:
        joined = [*shape[:axis], len(flat), *shape[axis + 1 :]]
        operand = [-1 if size is None else size for size in joined]
        if operand.count(-1) > 1:
            raise back.refused(f"more than one axis of its result {result} has no fixed size")
        gradient = emit("Reshape", gradient, operand)
    places = _places(flat, extent)
    if (places == len(flat)).any():
        pads = [0] * 2 * len(shape)
        pads[len(shape) + axis] = 1
        gradient = emit("Pad", gradient, pads)
    if places.shape[1] == 1:
        return {0: emit("Gather", gradient, places[:, 0], axis=axis)}
    several = emit("Gather", gradient, places, axis=axis)
    return {0: emit("ReduceSum", several, [axis + 1], keepdims=0)}


def _places(indices: Array, extent: int) -> Array:
    """Where each of `extent` values was taken to: int64 (extent, most), filled with the count."""
    taken = [np.flatnonzero(indices == place) for place in range(extent)]
    most = max(1, *(len(each) for each in taken))
    places: Array = np.full((extent, most), len(indices), np.int64)
    for place, each in enumerate(taken):
        places[place, : len(each)] = each
    return places
