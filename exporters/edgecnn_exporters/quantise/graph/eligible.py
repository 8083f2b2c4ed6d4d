"""Eligibility of one node for integer computation, and the reason where it has none."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_set, scalar
from edgecnn_exporters.quantise.encoding import Range
from edgecnn_exporters.quantise.graph.rules import RULES, Role


def refusal(node: ir.Node) -> str | None:
    """The reason why the node must stay float; None when it need not."""
    rule = RULES.get(node.op_type) if node.domain == "" else None
    if rule is None:
        return f"no runtime computes {node.op_type} in integers from one encoding"
    if node.op_type == "MaxPool" and len(node.outputs) > 1:
        return "its indices are read"
    for output in node.outputs:
        if output.dtype not in (ir.DataType.FLOAT, None):
            return f"its output is {output.dtype}, not {ir.DataType.FLOAT}"
    if rule.role is Role.PRODUCT:
        return _refuse_product(node)
    if rule.role is Role.CLAMP and node.op_type == "Clip" and not _has_constant_bounds(node):
        return "its bounds are computed"
    if rule.role is Role.SAME and any(
        constant(value) is not None for value in node.inputs[: rule.activations]
    ):
        return "it moves a constant"
    return _refuse_form(node)


def _refuse_product(node: ir.Node) -> str | None:
    if constant(node.inputs[1]) is None:
        return "its weights are computed"
    given = node.inputs[2] if len(node.inputs) > 2 else None
    bias = constant(given)
    if given is not None and bias is None:
        return "its bias is computed"
    if node.op_type == "Gemm":
        factors = (node.attributes.get_float(name, 1.0) for name in ("alpha", "beta"))
        if is_set(node, "transA") or not is_set(node, "transB") or any(f != 1 for f in factors):
            return "it is no plain fully connected layer"
        if bias is not None and bias.ndim != 1:
            return "its bias is not one number for each output"
    return None


def _refuse_form(node: ir.Node) -> str | None:
    """The reason why a form of the operator is not covered by its rule."""
    if node.op_type == "Pad":
        fill = node.inputs[2] if len(node.inputs) > 2 else None
        mode = node.attributes.get_string("mode", "constant")
        if mode == "constant" and fill is not None and scalar(fill) != 0:
            return "it pads with another constant than zero"
    if node.op_type == "Resize" and node.attributes.get_string("mode", "nearest") == "cubic":
        return "cubic weights overshoot the range of what they weigh"
    return None


def _has_constant_bounds(node: ir.Node) -> bool:
    return all(value is None or scalar(value) is not None for value in node.inputs[1:])


def bounds(node: ir.Node) -> Range:
    """Range that a Relu or a Clip with constant bounds lets through, as far as it is finite."""
    largest = float(np.finfo(np.float32).max)
    if node.op_type == "Relu":
        return Range(0.0, largest)
    low, high = (
        scalar(node.inputs[index]) if len(node.inputs) > index else None for index in (1, 2)
    )
    return Range(
        max(-largest, -largest if low is None else low),
        min(largest, largest if high is None else high),
    )
