"""Operator that makes the values of an output."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.capture.output_groups import KEEPING
from edgecnn_exporters.passes.graph import is_border, is_operator

# Their results are scores from 0 to 1 already: a softmax of them would flatten them.
PROBABILITIES = ("HardSigmoid", "Sigmoid", "Softmax")


def result_operator(value: ir.Value) -> ir.Node | None:
    """The operator that makes an output's values, behind what moves or converts them."""
    node = value.producer()
    while node is not None and (is_operator(node, *KEEPING) or is_border(node)):
        before = node.inputs[0]
        node = None if before is None else before.producer()
    return node


def answers_probabilities(model: ir.Model) -> bool:
    """Whether the first output of a network holds probabilities, not logits."""
    node = result_operator(model.graph.outputs[0])
    return node is not None and is_operator(node, *PROBABILITIES)
