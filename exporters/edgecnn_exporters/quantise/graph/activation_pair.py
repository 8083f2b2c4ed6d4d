"""Insertion of a QuantizeLinear and DequantizeLinear pair, which holds a value in 8 bits."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import new_initialiser
from edgecnn_runtime.encoding import Encoding


def insert_pair(
    graph: ir.Graph,
    value: ir.Value,
    encoding: Encoding,
    uses: Iterable[tuple[ir.Node, int]],
    *,
    is_result: bool,
) -> ir.Value:
    """Hold a value in 8 bits for those of its readers that are given; what they read then.

    Args:
        is_result: where the value is an output of the graph, what is held takes its place and name.
    """
    name, readers = str(value.name), list(uses)
    scale = new_initialiser(graph, f"{name}.scale", np.array(encoding.scale, np.float32))
    zero = new_initialiser(graph, f"{name}.zero_point", np.array(encoding.zero_point, np.uint8))
    to = ir.node("QuantizeLinear", [value, scale, zero], name=f"{name}.quantised")
    back = ir.node("DequantizeLinear", [to.outputs[0], scale, zero], name=f"{name}.dequantised")
    for node, dtype in ((to, ir.DataType.UINT8), (back, ir.DataType.FLOAT)):
        node.outputs[0].name = node.name
        node.outputs[0].type = ir.TensorType(dtype)
        node.outputs[0].shape = value.shape
    producer = value.producer()
    if producer is None:
        graph.insert_before(graph[0], [to, back])
    else:
        graph.insert_after(producer, [to, back])
    held = back.outputs[0]
    for node, index in readers:
        node.replace_input_with(index, held)
    if is_result and value.is_graph_output():
        place = [output is value for output in graph.outputs].index(True)
        graph.outputs[place] = held
        value.name, held.name = f"{name}.float", name
    return held
