"""Integer layers of a whole QDQ graph, node by node."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.targets.native.borders import feed, leave
from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.layers import IntegerNetwork
from edgecnn_exporters.targets.native.operators.table import OPERATORS
from edgecnn_exporters.targets.native.reading import Reader


def network_of(graph: ir.Graph) -> IntegerNetwork:
    """The layers of a QDQ graph of batch 1.

    Raises:
        NoKernel: a node has no kernel.
    """
    reader = Reader(graph)
    for value in graph.inputs:
        feed(reader, value)
    for node in graph:
        operator = OPERATORS.get(node.op_type) if node.domain == "" else None
        if operator is None:
            raise NoKernel(node, "the operator is unknown there")
        operator(reader, node)
    outputs = tuple(leave(reader, value) for value in graph.outputs)
    inputs = tuple(str(value.name) for value in graph.inputs)
    return IntegerNetwork(reader.images, tuple(reader.layers), inputs, outputs)
