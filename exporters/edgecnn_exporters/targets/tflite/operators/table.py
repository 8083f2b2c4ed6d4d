"""Table of all ONNX operators that are translated to TFLite."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.tflite.lowering import Lowering
from edgecnn_exporters.targets.tflite.operators import (
    arithmetic,
    clipping,
    convolution,
    layer_norm,
    linear,
    normalise,
    padding,
    pointwise,
    pooling,
    reduction,
    rejoining,
    resizing,
    shaping,
)
from edgecnn_exporters.targets.tflite.operators.operator import Operator

OPERATORS: Mapping[str, Operator] = {
    **convolution.OPERATORS,
    **linear.OPERATORS,
    **pooling.OPERATORS,
    **padding.OPERATORS,
    **arithmetic.OPERATORS,
    **clipping.OPERATORS,
    **pointwise.OPERATORS,
    **normalise.OPERATORS,
    **layer_norm.OPERATORS,
    **reduction.OPERATORS,
    **resizing.OPERATORS,
    **rejoining.OPERATORS,
    **shaping.OPERATORS,
}


def lower(low: Lowering, node: ir.Node) -> None:
    """Write one node, in integers where the QDQ graph computes it so and TFLite can too."""
    operator = OPERATORS[node.op_type]
    for output in node.outputs[1:]:
        if node.op_type != "Split" and (output.uses() or output.is_graph_output()):
            raise low.refuse(
                node, f"its output {output.name} is read, and TFLite's operator has only the first"
            )
    operator.lower(low, node, _is_integer(low, node, operator))


def _is_integer(low: Lowering, node: ir.Node, operator: Operator) -> bool:
    source = low.source
    computed = [value for value in node.inputs if value is not None and constant(value) is None]
    return (
        str(node.name) in source.integer
        and all(str(value.name) in source.encodings for value in (*computed, *node.outputs))
        and operator.has_integers(low, node)
    )
