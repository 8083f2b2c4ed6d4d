"""Products that stay float between 8-bit values, kept so in ONNX Runtime."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    constant,
    insert_identity,
    is_operator,
    maker,
    sole_reader,
)

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
        reader = reader_between_integers(node)
        if reader is not None:
            insert_identity(graph, reader, f"{node.outputs[0].name}.real")


def reader_between_integers(node: ir.Node) -> ir.Node | None:
    """What reads a product with float weights, if that reads an 8-bit value and makes one."""
    if not is_operator(node, *_PRODUCTS) or constant(node.inputs[1]) is None:
        return None
    if maker(node.inputs[0], "DequantizeLinear") is None:
        return None
    first = last = sole_reader(node.outputs[0])
    if last is not None and is_operator(last, *_CLAMPS):
        last = sole_reader(last.outputs[0])
    return first if last is not None and is_operator(last, "QuantizeLinear") else None
