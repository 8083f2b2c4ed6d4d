"""Depthwise convolutions with stride 2, in the window that QNN computes rightly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.passes.graph import constant, is_operator, maker, new_initialiser
from edgecnn_runtime.arrays import Array

STRIDE, WINDOW = 2, 3
WRONG = ((1, 1), (2, 2))
# Channels that QNN computes at once, and the largest rest of them that it computes wrongly.
BLOCK, REST = 32, 4
NO_PADS = (0, 0, 0, 0)


@dataclass(frozen=True)
class Match:
    """A depthwise convolution that QNN computes wrongly.

    Attributes:
        weight: (C, 1, kH, kW), of integers.
        zero_point: of the weight: one, or one a channel.
        pads: top, left, bottom, right.
    """

    conv: ir.Node
    dequantise: ir.Node
    weight: Array
    zero_point: Array
    pads: tuple[int, ...]


def widen_windows(content: bytes) -> bytes:
    """The QDQ graph with 3×3 windows of the depthwise convolutions that QNN computes wrongly.

    QNN 2.51 does so with a 1×1 or 2×2 window and stride 2 where the channels are one to four more
    than a multiple of 32: those last ones are wrong on v73, v75, v79 and v81. The new row and
    column are zeros at the end, over padding of as many pixels: every sum stays what it is.
    """
    model = ir.from_proto(onnx.load_from_string(content))
    matches = [match for node in model.graph if (match := _match(node))]
    if not matches:
        return content
    for match in matches:
        _rewrite(model.graph, match)
    return to_bytes(model)


def _match(node: ir.Node) -> Match | None:
    if not is_operator(node, "Conv"):
        return None
    dequantise = maker(node.inputs[1], "DequantizeLinear")
    weight = None if dequantise is None else constant(dequantise.inputs[0])
    if dequantise is None or weight is None or weight.ndim != 4 or weight.shape[1] != 1:
        return None
    zero_point = constant(dequantise.inputs[2]) if len(dequantise.inputs) > 2 else None
    window = weight.shape[2:]
    is_alike = (
        node.attributes.get_int("group", 1) == weight.shape[0] > BLOCK
        and tuple(node.attributes.get_ints("strides", ())) == (STRIDE, STRIDE)
        and set(node.attributes.get_ints("dilations", ())) <= {1}
        and node.attributes.get_string("auto_pad", "NOTSET") == "NOTSET"
    )
    if not is_alike or window not in WRONG or not 1 <= weight.shape[0] % BLOCK <= REST:
        return None
    pads = tuple(node.attributes.get_ints("pads", NO_PADS))
    none = np.zeros((), weight.dtype)
    return Match(node, dequantise, weight, none if zero_point is None else zero_point, pads)


def _rewrite(graph: ir.Graph, match: Match) -> None:
    channels, _, height, width = match.weight.shape
    wide = np.empty((channels, 1, WINDOW, WINDOW), match.weight.dtype)
    wide[:] = match.zero_point.reshape(-1, 1, 1, 1)
    wide[:, :, :height, :width] = match.weight
    old = match.dequantise.inputs[0]
    assert old is not None
    scale, *zero = match.dequantise.inputs[1:]
    weight = new_initialiser(graph, f"{old.name}.wide", wide)
    dequantise = ir.node("DequantizeLinear", [weight, scale, *zero], match.dequantise.attributes)
    dequantise.outputs[0].name = f"{weight.name}.dequantised"
    graph.insert_before(match.conv, dequantise)
    match.conv.replace_input_with(1, dequantise.outputs[0])
    top, left, bottom, right = match.pads
    pads = (top, left, bottom + WINDOW - height, right + WINDOW - width)
    match.conv.attributes["kernel_shape"] = ir.AttrInt64s("kernel_shape", (WINDOW, WINDOW))
    match.conv.attributes["pads"] = ir.AttrInt64s("pads", pads)
    if not match.dequantise.outputs[0].uses():
        graph.remove(match.dequantise, safe=True)
        if not old.uses():
            del graph.initializers[str(old.name)]
