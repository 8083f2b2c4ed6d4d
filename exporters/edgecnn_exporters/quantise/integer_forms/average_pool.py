"""AveragePool as the depthwise convolution that it is."""

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
        found = [node for node in model.graph if _is_convolution(node)]
        for node in found:
            _rewrite(model.graph, node)
        return ir.passes.PassResult(model, modified=bool(found))


def _is_convolution(node: ir.Node) -> bool:
    source = node.inputs[0] if node.inputs else None
    if not is_operator(node, "AveragePool") or source is None:
        return False
    if len(node.attributes.get_ints("kernel_shape", [])) != 2 or is_set(node, "ceil_mode"):
        return False
    counts = is_set(node, "count_include_pad") or not any(node.attributes.get_ints("pads", []))
    return (
        counts
        and node.attributes.get_string("auto_pad", "NOTSET") == "NOTSET"
        and (extent(source, 1) or 1) > 1
        and source.dtype in (ir.DataType.FLOAT, None)
    )


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
