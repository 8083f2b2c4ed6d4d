"""Gradients of Gather and GatherND with constant indices: sums over all that a value became."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.rule import Backward
from edgecnn_exporters.gradient.rules.moves import shape_operand
from edgecnn_exporters.passes.graph import constant, is_set
from edgecnn_runtime.arrays import Array

# The last place of an axis, where a zero is put.
NOWHERE = -1


def gather(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Gather: ``dx[i] = sum of dy[j] over all j with index[j] = i``, along the axis."""
    shape = back.shape()
    axis = back.node.attributes.get_int("axis", 0) % len(shape)
    extent, indices = shape[axis], constant(back.input(1))
    if extent is None or indices is None:
        raise back.refused("its indices are computed, or the size of its axis is not fixed")
    gradient = back.gradient
    if indices.ndim != 1:
        joined = [*shape[:axis], indices.size, *shape[axis + 1 :]]
        gradient = back.emit("Reshape", gradient, _operand(back, joined))
    flat = indices.reshape(-1) % extent
    return {0: _return(back.emit, gradient, axis, len(shape), _places(flat, extent))}


def gather_nd(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of GatherND by coordinates in the first k axes: that of a Gather from these, joined.

    PyTorch's adaptive pooling of sizes that do not divide is exported as one.
    """
    shape, indices = back.shape(), constant(back.input(1))
    if indices is None or is_set(back.node, "batch_dims"):
        raise back.refused("its coordinates are computed, or are of each image")
    count = indices.shape[-1]
    first = [extent for extent in shape[:count] if extent is not None]
    if len(first) < count:
        raise back.refused("the size of an axis that it gathers from is not fixed")
    coordinates = (indices.reshape(-1, count) % first).T
    flat = np.ravel_multi_index(tuple(coordinates), tuple(first))
    rest = list(shape[count:])
    gradient = back.emit("Reshape", back.gradient, _operand(back, [len(flat), *rest]))
    places = _places(flat, prod(first))
    joined = _return(back.emit, gradient, 0, 1 + len(rest), places)
    return {0: back.emit("Reshape", joined, shape_operand(back, 0))}


def _return(emit: Emitter, gradient: ir.Value, axis: int, count: int, places: Array) -> ir.Value:
    """The values of an axis of `count`, each the sum of its places in the gradient.

    A Gather reads, for each value, its places, and a zero behind them all for values that have
    fewer than others: no scattering, whose sums have no fixed order.
    """
    if (places == NOWHERE).any():
        pads = [0] * 2 * count
        pads[count + axis] = 1
        gradient = emit("Pad", gradient, pads)
    if places.shape[1] == 1:
        return emit("Gather", gradient, places[:, 0], axis=axis)
    several = emit("Gather", gradient, places, axis=axis)
    return emit("ReduceSum", several, [axis + 1], keepdims=0)


def _operand(back: Backward, shape: Sequence[int | None]) -> list[int]:
    """A shape with at most one dynamic axis as an operand."""
    operand = [-1 if extent is None else extent for extent in shape]
    if operand.count(-1) > 1:
        raise back.refused("more than one axis of its result has no fixed size")
    return operand


def _places(indices: Array, extent: int) -> Array:
    """Where each of `extent` values was taken to: int64 (extent, most), filled with NOWHERE."""
    counts = np.bincount(indices, minlength=extent)
    order = np.argsort(indices, kind="stable")
    begins = np.cumsum(counts) - counts
    source = indices[order]
    places: Array = np.full((extent, max(1, counts.max())), NOWHERE, np.int64)
    places[source, np.arange(len(order)) - begins[source]] = order
    return places
