"""Resize and Pad of some axes become Resize and Pad of all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    constant,
    extent,
    is_operator,
    new_initialiser,
    rank,
    set_constant,
)
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules
from edgecnn_runtime.arrays import Array

_ROI, _SCALES, _SIZES = 1, 2, 3
_PADS, _PAD_AXES = 1, 3


@dataclass(frozen=True)
class PadMatch:
    """A Pad, and its pads of all axes: those before, then those behind."""

    node: ir.Node
    pads: Array


@dataclass(frozen=True)
class ResizeMatch:
    """A Resize of some axes.

    Attributes:
        axes: of `rank` axes, in the order of the numbers.
        factors: its constant scales, if it has scales.
        sizes: its constant sizes, if it has sizes.
        window: its constant region of interest, if it reads one.
    """

    node: ir.Node
    axes: tuple[int, ...]
    rank: int
    factors: Array | None
    sizes: Array | None
    window: Array | None


class NameAllAxes(ir.passes.InPlacePass):
    """``axes`` of Resize and Pad (opset 18) go; their numbers are of every axis.

    A size that an axis keeps is read from the input, with its batch. ``keep_aspect_ratio_policy``
    (ONNX, Resize: one scale for all axes, sizes rounded half up) becomes the sizes that it stands
    for. Left alone: axes, numbers, or sizes of an image that are unknown.

    ONNX Runtime (1.32) turns the axes of what is between two 8-bit convolutions, and reads the
    numbers of some axes as if they were of all: it refuses such a graph, or fails when it runs.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(
            model,
            RewriteRule(_match_pad, _rewrite_pad),
            RewriteRule(_match_resize, _rewrite_resize),
        )


def _match_pad(node: ir.Node) -> PadMatch | Refusal | None:
    if not is_operator(node, "Pad") or len(node.inputs) <= _PAD_AXES:
        return None
    if node.inputs[_PAD_AXES] is None:
        return None
    axes, pads, count = (
        constant(node.inputs[_PAD_AXES]),
        constant(node.inputs[_PADS]),
        rank(node.inputs[0]),
    )
    if axes is None or pads is None or count is None:
        return Refusal("its axes or pads are unknown")
    every = np.zeros((2, count), np.int64)
    every[:, axes] = pads.reshape(2, -1)
    return PadMatch(node, every.reshape(-1))


def _rewrite_pad(graph: ir.Graph, match: PadMatch) -> None:
    node = match.node
    set_constant(graph, node, _PADS, match.pads, f"{node.outputs[0].name}.pads")
    node.replace_input_with(_PAD_AXES, None)


def _match_resize(node: ir.Node) -> ResizeMatch | Refusal | None:
    if not is_operator(node, "Resize") or "axes" not in node.attributes:
        return None
    count = rank(node.inputs[0])
    if count is None:
        return Refusal("the axes of its input are unknown")
    axes = tuple(axis % count for axis in node.attributes.get_ints("axes"))
    given = [constant(_input(node, index)) for index in (_ROI, _SCALES, _SIZES)]
    window, factors, sizes = (
        array if array is not None and array.size else None for array in given
    )
    if _reads_window(node) and window is None:
        return Refusal("the window that it reads is unknown")
    if factors is None and sizes is None:
        return Refusal("its factors and sizes are unknown")
    if sizes is not None and _policy(node) != "stretch":
        before = [extent(_source(node), axis) for axis in axes]
        known = [size for size in before if size is not None]
        if len(known) < len(before):
            return Refusal("the size of its image is unknown")
        sizes = _in_proportion(sizes, known, _policy(node))
    return ResizeMatch(node, axes, count, factors, sizes, window if _reads_window(node) else None)


def _input(node: ir.Node, index: int) -> ir.Value | None:
    return node.inputs[index] if index < len(node.inputs) else None


def _source(node: ir.Node) -> ir.Value:
    source = node.inputs[0]
    assert source is not None
    return source


def _reads_window(node: ir.Node) -> bool:
    mode = node.attributes.get_string("coordinate_transformation_mode", "half_pixel")
    return mode == "tf_crop_and_resize"


def _policy(node: ir.Node) -> str:
    return node.attributes.get_string("keep_aspect_ratio_policy", "stretch")


def _in_proportion(sizes: Array, before: list[int], policy: str) -> Array:
    """The sizes of an image that keeps its proportions, inside or around `sizes`."""
    factors = np.asarray(sizes, np.float64) / np.asarray(before)
    factor = factors.min() if policy == "not_larger" else factors.max()
    rounded: Array = np.floor(factor * np.asarray(before) + 0.5).astype(np.int64)
    return rounded


def _rewrite_resize(graph: ir.Graph, match: ResizeMatch) -> None:
    node = match.node
    if match.window is not None:
        window = np.array([[0.0], [1.0]]).repeat(match.rank, 1).astype(match.window.dtype)
        window[:, match.axes] = match.window.reshape(2, -1)
        set_constant(graph, node, _ROI, window.reshape(-1), f"{node.outputs[0].name}.roi")
    elif _input(node, _ROI) is not None:
        node.replace_input_with(_ROI, None)
    if match.sizes is not None:
        node.replace_input_with(_SIZES, _all_sizes(graph, match, match.sizes))
    elif match.factors is not None:
        factors = np.ones(match.rank, np.float32)
        factors[list(match.axes)] = match.factors
        set_constant(graph, node, _SCALES, factors, f"{node.outputs[0].name}.scales")
    for name in ("axes", "keep_aspect_ratio_policy"):
        node.attributes.pop(name, None)


def _all_sizes(graph: ir.Graph, match: ResizeMatch, sizes: Array) -> ir.Value:
    """The sizes of all axes: those given, and of the rest those of the input."""
    node = match.node
    name = f"{node.outputs[0].name}.sizes"
    new = dict(zip(match.axes, sizes.tolist(), strict=True))
    parts: list[ir.Value] = []
    for axis in range(match.rank):
        if axis in new:
            each = np.array([new[axis]], np.int64)
            parts.append(new_initialiser(graph, f"{name}.{axis}", each))
        else:
            ends = [ir.AttrInt64("start", axis), ir.AttrInt64("end", axis + 1)]
            shape = ir.Node("", "Shape", [_source(node)], ends, name=f"{name}.{axis}")
            graph.insert_before(node, shape)
            parts.append(shape.outputs[0])
    join = ir.Node("", "Concat", parts, [ir.AttrInt64("axis", 0)], name=name)
    graph.insert_before(node, join)
    return join.outputs[0]
