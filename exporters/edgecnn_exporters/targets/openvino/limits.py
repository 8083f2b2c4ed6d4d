"""Forms of operators that OpenVINO reads and computes as others: refused with the reason."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes.graph import constant, is_operator, is_set

_INSTEAD = "export without this target"


def refuse_misread(model: ir.Model) -> None:
    """Refuse a graph of which OpenVINO (2026.4) would compute an operator otherwise.

    Raises:
        UnsupportedModel: a BatchNormalization by statistics of the batch; a Resize that filters
            what it shrinks, renormalises weights at the border, or keeps the aspect ratio.
    """
    for node in model.graph:
        if reason := _misread(node):
            raise UnsupportedModel(f"{node.name} ({node.op_type}): {reason}")


def _misread(node: ir.Node) -> str | None:
    if is_operator(node, "BatchNormalization") and _is_training(node):
        return (
            "it is in training mode: it normalises each batch by that batch's own statistics, and "
            "OpenVINO computes another result; export the network after eval(), with "
            f"track_running_stats, or {_INSTEAD}"
        )
    return _misread_resize(node) if is_operator(node, "Resize") else None


def _is_training(norm: ir.Node) -> bool:
    """Whether its mean and variance are computed, by itself or by nodes that an exporter wrote."""
    return is_set(norm, "training_mode") or any(constant(each) is None for each in norm.inputs[3:5])


def _misread_resize(node: ir.Node) -> str | None:
    mode = node.attributes.get_string("mode", "nearest")
    if is_set(node, "antialias") and mode != "nearest" and not _only_grows(node):
        return f"it filters what it shrinks (antialias), which OpenVINO does not do; {_INSTEAD}"
    if is_set(node, "exclude_outside") and mode == "cubic":
        return (
            "it leaves pixels outside the image out of the weights (exclude_outside), which "
            f"OpenVINO does not do; {_INSTEAD}"
        )
    policy = node.attributes.get_string("keep_aspect_ratio_policy", "stretch")
    if policy != "stretch":
        return f"it keeps the aspect ratio ({policy}), OpenVINO stretches the image; {_INSTEAD}"
    return None


def _only_grows(node: ir.Node) -> bool:
    """Whether no axis shrinks, by the scales or the sizes of input and output."""
    scales = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if scales is not None and scales.size:
        return bool((scales >= 1).all())
    source, output = node.inputs[0], node.outputs[0]
    if source is None or source.shape is None or output.shape is None:
        return False
    pairs = list(zip(source.shape, output.shape, strict=True))
    return all(
        before == after or (isinstance(before, int) and isinstance(after, int) and before <= after)
        for before, after in pairs
    )
