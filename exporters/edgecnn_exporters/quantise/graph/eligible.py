"""Eligibility of one node for integer computation, and the reason where it has none."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_set, maker, scalar
from edgecnn_exporters.quantise.graph.rules import RULES, Role
from edgecnn_runtime.encoding import Range

# The reason of what computes sizes, indices or truth values: there is nothing to quantise.
NO_FLOATS = "it computes no floats"


def refusal(node: ir.Node) -> str | None:
    """The reason why the node must stay as it is; None when it need not."""
    dtypes = {output.dtype for output in node.outputs}
    if None not in dtypes and not any(each.is_floating_point() for each in dtypes if each):
        return NO_FLOATS
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
    if node.op_type == "Clip":
        return _refuse_clip(node)
    if rule.role is Role.SAME and any(
        constant(value) is not None for value in node.inputs[: rule.activations]
    ):
        return "it moves a constant"
    return _refuse_filling(node) or _refuse_form(node)


def _refuse_clip(node: ir.Node) -> str | None:
    given = [value for value in node.inputs[1:] if value is not None]
    ends = [scalar(value) for value in given]
    if None in ends:
        return "its bounds are computed"
    if any(end is not None and np.isnan(end) for end in ends):
        return "one of its bounds is NaN"
    low, high = _ends(node)
    if low is not None and high is not None and low > high:
        return f"its least value, {low:g}, is above its greatest, {high:g}"
    return None


def _refuse_filling(node: ir.Node) -> str | None:
    """The reason why an operator must not read what a Pad before it fills in."""
    for value in node.inputs:
        pad = maker(value, "Pad")
        fill = filling(pad) if pad is not None else 0.0
        if fill is None or fill == 0:
            continue
        if not np.isfinite(fill):
            return f"it reads {fill:g}, which the Pad before it fills in"
        if node.op_type == "MaxPool":
            return f"it reads {fill:g}, which the Pad before it fills in to be outdone"
    return None


def filling(pad: ir.Node) -> float | None:
    """The constant that a Pad fills in, 0 where it repeats its input; None if it is computed."""
    fill = pad.inputs[2] if len(pad.inputs) > 2 else None
    if fill is None or pad.attributes.get_string("mode", "constant") != "constant":
        return 0.0
    return scalar(fill)


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
    if node.op_type == "Pad" and filling(node) != 0:
        return "it pads with another constant than zero"
    if node.op_type == "Resize" and node.attributes.get_string("mode", "nearest") == "cubic":
        return "cubic weights overshoot the range of what they weigh"
    return None


def bounds(node: ir.Node) -> Range:
    """Range that a Relu or a Clip with constant bounds lets through, as far as it is finite."""
    largest = float(np.finfo(np.float32).max)
    if node.op_type == "Relu":
        return Range(0.0, largest)
    low, high = _ends(node)
    return Range(
        max(-largest, -largest if low is None else low),
        min(largest, largest if high is None else high),
    )


def _ends(clip: ir.Node) -> tuple[float | None, float | None]:
    """Least and greatest of a Clip; None where it has no such bound."""
    low, high = (
        scalar(clip.inputs[index]) if len(clip.inputs) > index else None for index in (1, 2)
    )
    return low, high
