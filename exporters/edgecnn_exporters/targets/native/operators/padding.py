"""Pad: PAD with a constant, RESIZE where it repeats pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.layers import Image, Layer, Window
from edgecnn_exporters.targets.native.operators.moving import moved_pixels, shape_of
from edgecnn_exporters.targets.native.reading import Operator, Reader
from edgecnn_exporters.targets.native.records import Code
from edgecnn_exporters.targets.native.values import Constant, Held, integer_bound

# numpy's names of ONNX's ways to pad without a constant.
_MODES = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}


def pad(reader: Reader, node: ir.Node) -> None:
    """Pad of height and width."""
    held, before = reader.held(node), shape_of(node.inputs[0])
    edges = _edges(node, len(before))
    mode = node.attributes.get_string("mode", "constant")
    name = str(node.outputs[0].name)
    if len(before) != 4 or edges[0] != (0, 0):
        raise NoKernel(node, "it pads other axes than those of an image")
    if edges[1] != (0, 0):
        if mode != "constant" or edges[2:] != [(0, 0)] * 2 or _pad_value(reader, node):
            raise NoKernel(node, "it pads channels with other than zeros, or pixels with them")
        reader.keep(node, _with_channels(reader, name, held, edges[1]))
        return
    is_cut = min(*edges[2], *edges[3]) < 0
    if mode in _MODES and not is_cut:
        rows, columns = (
            np.pad(np.arange(before[axis]), edges[axis], _MODES[mode]).tolist()  # type: ignore[call-overload]
            for axis in (2, 3)
        )
        reader.keep(node, moved_pixels(reader, name, held, rows, columns))
        return
    if mode != "constant":
        raise NoKernel(node, f"it is {mode} with pads {edges[2:]}", "cut with a Slice")
    if is_cut:
        rows, columns = (
            list(range(max(0, -edges[axis][0]), before[axis] - max(0, -edges[axis][1])))
            for axis in (2, 3)
        )
        held = moved_pixels(reader, f"{name}.cut", held, rows, columns)
    first, last = zip(*[[max(0, each) for each in pair] for pair in edges[2:]], strict=True)
    source, value = reader.whole(held), integer_bound(_pad_value(reader, node), held.encoding)
    size = (source.height + first[0] + last[0], source.width + first[1] + last[1])
    image = reader.image(name, (source.channels, *size), held.encoding)
    reader.add(pad_layer(source, image, (first[0], first[1]), value))
    reader.keep(node, Held(image, np.arange(source.channels)[None]))


def pad_layer(source: Image, result: Image, at: tuple[int, int], value: int) -> Layer:
    """PAD: an image at a place of a larger one of an integer."""
    channels = source.channels
    layer = Layer(Code.PAD, (source.name,), result.name, channels, channels)
    return replace(layer, window=Window(pads=at), low=value)


def _with_channels(reader: Reader, name: str, held: Held, edges: tuple[int, int]) -> Held:
    """Channels of zeros around those of an image, by a convolution with ones: exact."""
    source, before = reader.whole(held), sum(edges)
    image = reader.image(name, (source.channels + before, *source.size), held.encoding)
    weights = np.eye(image.channels, source.channels, -edges[0], dtype=np.int8)
    zero = held.encoding.zero_point
    reader.add(
        Layer(
            Code.CONVOLUTION,
            (source.name,),
            image.name,
            source.channels,
            image.channels,
            weights=weights[:, :, None, None],
            bias=-zero * weights.astype(np.int64).sum(axis=1),
            multiplier=np.ones(image.channels, np.float32),
            zero_point=zero,
        )
    )
    return Held(image, np.arange(image.channels)[None])


def _edges(node: ir.Node, rank: int) -> list[tuple[int, int]]:
    """The pads of every axis, (before, behind)."""
    pads = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if pads is None:
        raise NoKernel(node, "its pads are computed", "give them as constants")
    axes = constant(node.inputs[3]) if len(node.inputs) > 3 else None
    named = range(rank) if axes is None else [int(axis) % rank for axis in axes]
    given = {axis: (int(a), int(b)) for axis, a, b in zip(named, *np.split(pads, 2), strict=True)}
    return [given.get(axis, (0, 0)) for axis in range(rank)]


def _pad_value(reader: Reader, node: ir.Node) -> float:
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return 0.0
    value = reader.value(node, 2)
    if not isinstance(value, Constant) or value.reals.size != 1:
        raise NoKernel(node, "what it pads with is computed", "give it as a constant")
    return float(value.reals.reshape(()))


OPERATORS: Mapping[str, Operator] = {"Pad": pad}
