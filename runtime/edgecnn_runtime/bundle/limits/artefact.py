"""Static limits of an artefact of any format, before an engine opens it."""

from __future__ import annotations

from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle.limits.onnx import refuse_unsafe_onnx
from edgecnn_runtime.bundle.limits.openvino import refuse_unsafe_openvino
from edgecnn_runtime.bundle.limits.plan import refuse_unsafe_plan
from edgecnn_runtime.bundle.limits.tflite import refuse_unsafe_tflite

# An ONNX file around a binary of Qualcomm's compiler, which lies beside it.
QNN_CONTEXT = "qnn-context"


def refuse_unsafe(
    format: str, model: bytes, weights: bytes | None, name: str, budget: Budget
) -> None:
    """Refuse an artefact that refers to something outside itself, or is seen to cost too much.

    Formats without static limits are accepted.

    Raises:
        ExternalData: it refers to a file or to code outside itself.
        OverBudget: it loops, or makes larger tensors than `budget` allows.
        BundleUnreadable: it is no file of its format.
    """
    if format in ("onnx", QNN_CONTEXT):
        refuse_unsafe_onnx(model, name, budget, reads_beside=format == QNN_CONTEXT)
    elif format == "openvino":
        refuse_unsafe_openvino(model, weights, name)
    elif format == "tflite":
        refuse_unsafe_tflite(model, name, budget)
    elif format == "plan":
        refuse_unsafe_plan(model, name, budget)
