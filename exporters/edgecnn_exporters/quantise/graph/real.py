"""Products that stay float between 8-bit values, kept so in ONNX Runtime."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_operator, maker, sole_reader

_PRODUCTS = ("Conv", "ConvTranspose", "Gemm")
_CLAMPS = ("Relu", "Clip")


def keep_products_real(graph: ir.Graph) -> None:
    """``Q(Conv(DQ(q), w))`` becomes ``Q(LeakyRelu(Conv(DQ(q), w)))`` with slope 1, the identity.

    Of a product with float weights between 8-bit values, a Relu or Clip behind it or not, ONNX
    Runtime (1.32, WeightBiasQuantization, optimisation level basic) makes an integer one whose
    weight has a single scale: what was left in float for its accuracy loses more than all the rest.
    The LeakyRelu is fused into the float kernel.
    """
    for node in list(graph):
        if is_real_between_integers(node):
            _insert_identity(graph, node)


def is_real_between_integers(node: ir.Node) -> bool:
    """Whether a product with float weights reads an 8-bit value and makes one."""
    if not is_operator(node, *_PRODUCTS) or constant(node.inputs[1]) is None:
        return False
    if maker(node.inputs[0], "DequantizeLinear") is None:
        return False
    reader = sole_reader(node.outputs[0])
    if reader is not None and is_operator(reader, *_CLAMPS):
        reader = sole_reader(reader.outputs[0])
    return reader is not None and is_operator(reader, "QuantizeLinear")


def _insert_identity(graph: ir.Graph, node: ir.Node) -> None:
    output = node.outputs[0]
    name = f"{output.name}.real"
    identity = ir.node("LeakyRelu", [output], attributes={"alpha": 1.0}, name=name)
    made = identity.outputs[0]
    made.name, made.type, made.shape = name, output.type, output.shape
    for use in list(output.uses()):
        if use.node is not identity:
            use.node.replace_input_with(use.idx, made)
    graph.insert_after(node, identity)
