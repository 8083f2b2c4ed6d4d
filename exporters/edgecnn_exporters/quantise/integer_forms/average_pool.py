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
    replace_node,
)
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules

# A Conv has these too, and means the same by them.
_KEPT = ("kernel_shape", "strides", "pads", "dilations")


class ConvolveAveragePool(ir.passes.InPlacePass):
    """``AveragePool(x)`` becomes ``Conv(x)``, depthwise, whose weights are one over the window.

    The mean of four pixels is half-way between two integers one time in four, and every runtime
    has a rule of its own for that: half to even in float, half away from zero in integers. The sums
    of a convolution all of them round alike.

    Left alone: a window that leaves its padding out of the count or reaches beyond it (ceil_mode,
    auto_pad), other ranks than (N, C, H, W), an unknown number of channels or one alone, and
    precisions other than float32.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


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
    if any(node.attributes.get_ints("pads", [])) and not is_set(node, "count_include_pad"):
        return Refusal("it leaves the padding out of the count")
    channels = extent(source, 1)
    if channels is None or channels < 2:
        return Refusal("its input has one channel, or an unknown number")
    return node if source.dtype in (ir.DataType.FLOAT, None) else Refusal("it is not in float32")


def _rewrite(graph: ir.Graph, node: ir.Node) -> None:
    source = node.inputs[0]
    assert source is not None
    channels = extent(source, 1)
    assert channels is not None
    window = node.attributes.get_ints("kernel_shape", [])
    shares = np.full((channels, 1, *window), 1 / prod(window), np.float32)
    weight = new_initialiser(graph, f"{node.name}.weight", shares)
    kept = [node.attributes[name] for name in _KEPT if name in node.attributes]
    conv = ir.Node("", "Conv", [source, weight], [*kept, ir.AttrInt64("group", channels)])
    replace_node(graph, node, conv)
