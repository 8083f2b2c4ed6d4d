"""AveragePool becomes a depthwise convolution."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    extent,
    is_operator,
    is_set,
    new_initialiser,
    rank,
    replace_node,
)
from edgecnn_exporters.passes.padding.windows import (
    WindowAxis,
    pad_image,
    set_pads,
    window_axes,
)
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules
from edgecnn_runtime.arrays import Float32

# A Conv has these too, and means the same by them.
_KEPT = ("kernel_shape", "strides", "pads", "dilations")


class ConvolveAveragePool(ir.passes.InPlacePass):
    """``AveragePool(x)`` becomes ``Conv(x)``, depthwise, whose weights are one over the window.

    The mean of four pixels is half-way between two integers one time in four, and every runtime
    has a rule of its own for that: half to even in float, half away from zero in integers. The sums
    of a convolution all of them round alike.

    A dilated window becomes one whatever it counts, for ONNX Runtime has no integer kernel for it
    and yet asks for one: where padding is left out of the count, ``Mul(Conv(x), f)`` with f the
    window over the part of it that lies in the image. Any other pool that counts its padding reads
    a ``Pad`` instead, as OpenVINO pads integers with 0 and not with their zero point.

    Left alone: a window that leaves its padding out of the count or reaches beyond it (ceil_mode,
    auto_pad), other ranks than (N, C, H, W), an unknown number of channels or one alone, and
    precisions other than float32.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(
            model,
            RewriteRule(_match_dilated, _convolve_dilated),
            RewriteRule(_match_counted, _pad),
            RewriteRule(_match, _convolve),
        )


def _match(node: ir.Node) -> ir.Node | Refusal | None:
    source = node.inputs[0] if node.inputs else None
    if not is_operator(node, "AveragePool") or source is None:
        return None
    if len(node.attributes.get_ints("kernel_shape", [])) != 2:
        return Refusal("its window is not over height and width")
    if is_set(node, "ceil_mode"):
        return Refusal("its window reaches beyond the padding (ceil_mode)")
    if node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return Refusal("its padding is automatic (auto_pad)")
    if _is_padded(node) and not is_set(node, "count_include_pad"):
        return Refusal("it leaves the padding out of the count")
    channels = extent(source, 1)
    if channels is None or channels < 2:
        return Refusal("its input has one channel, or an unknown number")
    return node if source.dtype in (ir.DataType.FLOAT, None) else Refusal("it is not in float32")


def _match_counted(node: ir.Node) -> ir.Node | None:
    """A pool with explicit padding that counts, and that does not become a Conv."""
    if not is_operator(node, "AveragePool") or not _is_padded(node):
        return None
    if not is_set(node, "count_include_pad") or is_set(node, "ceil_mode"):
        return None
    return node if isinstance(_match(node), Refusal) and rank(node.inputs[0]) else None


def _match_dilated(node: ir.Node) -> ir.Node | Refusal | None:
    if not is_operator(node, "AveragePool") or node.inputs[0] is None:
        return None
    source, axes = node.inputs[0], window_axes(node)
    if axes is None or all(axis.dilation == 1 for axis in axes):
        return None
    if is_set(node, "ceil_mode") or "auto_pad" in node.attributes:
        return Refusal("its dilated window has automatic padding, or reaches beyond it")
    sizes = [extent(source, 1), *(axis.image for axis in axes)]
    if None in sizes or source.dtype not in (ir.DataType.FLOAT, None):
        return Refusal("its window is dilated, and its input of unknown size or not in float32")
    return node


def _is_padded(node: ir.Node) -> bool:
    return any(node.attributes.get_ints("pads", []))


def _pad(graph: ir.Graph, node: ir.Node) -> None:
    axes = window_axes(node)
    assert axes is not None
    node.attributes.pop("count_include_pad")
    pad_image(graph, node, [axis.before for axis in axes], [axis.after for axis in axes])
    set_pads(node, [0] * len(axes), [0] * len(axes))


def _convolve(graph: ir.Graph, node: ir.Node) -> None:
    replace_node(graph, node, _depthwise(graph, node))


def _convolve_dilated(graph: ir.Graph, node: ir.Node) -> None:
    conv, output, axes = _depthwise(graph, node), node.outputs[0], window_axes(node)
    assert axes is not None
    if is_set(node, "count_include_pad") or not _is_padded(node):
        replace_node(graph, node, conv)
        return
    conv.name = conv.outputs[0].name = f"{node.name}.conv"
    conv.outputs[0].type, conv.outputs[0].shape = output.type, output.shape
    graph.insert_before(node, conv)
    factors: Float32 = np.ones([1, 1], np.float32)
    for axis in axes:
        factors = np.multiply.outer(factors, _share(axis))
    shares = new_initialiser(graph, f"{node.name}.factors", factors)
    replace_node(graph, node, ir.node("Mul", [conv.outputs[0], shares]))


def _depthwise(graph: ir.Graph, node: ir.Node) -> ir.Node:
    source = node.inputs[0]
    assert source is not None
    channels = extent(source, 1)
    assert channels is not None
    window = node.attributes.get_ints("kernel_shape", [])
    shares = np.full((channels, 1, *window), 1 / prod(window), np.float32)
    weight = new_initialiser(graph, f"{node.name}.weight", shares)
    kept = [node.attributes[name] for name in _KEPT if name in node.attributes]
    return ir.Node("", "Conv", [source, weight], [*kept, ir.AttrInt64("group", channels)])


def _share(axis: WindowAxis) -> Float32:
    """The window over its taps in the image, for each place of the output along an axis."""
    assert axis.image is not None
    count = (axis.before + axis.image + axis.after - axis.reach) // axis.stride + 1
    begins = np.arange(count)[:, None] * axis.stride - axis.before
    taps = begins + np.arange(axis.kernel) * axis.dilation
    inside = ((taps >= 0) & (taps < axis.image)).sum(axis=1)
    share: Float32 = (axis.kernel / np.maximum(inside, 1)).astype(np.float32)
    return share
