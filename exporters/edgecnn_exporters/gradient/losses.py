"""Losses of a training graph, and their gradients with respect to the network's output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_runtime.training import Loss


@dataclass(frozen=True)
class LossValue:
    """A loss in the graph.

    Attributes:
        loss: float32, no axes: the mean over the batch.
        at: the value that the loss is computed of: logits, or the output.
        gradient: of the loss with respect to `at`, of its shape.
    """

    loss: ir.Value
    at: ir.Value
    gradient: ir.Value


# Called with the emitter, the network's output, the labels, and the label smoothing.
LossFunction = Callable[[Emitter, ir.Value, ir.Value, float], LossValue]


def cross_entropy(
    emit: Emitter, output: ir.Value, labels: ir.Value, smoothing: float = 0.0
) -> LossValue:
    """Cross-entropy on logits with label smoothing, as ``torch.nn.CrossEntropyLoss``.

    With t = (1 - s) onehot(label) + s / classes: ``loss = -mean over N of sum of t log softmax(z)``
    and ``dz = (softmax(z) - t) / N``. Szegedy et al. 2016, section 7, has the smoothing.

    Args:
        output: logits (N, classes), or their softmax as the graph's last operator: the loss is
            computed of what it reads.
        labels: int64 (N,).
    """
    logits = _before_softmax(output)
    if logits.shape is None or len(logits.shape) != 2:
        raise UnsupportedModel(
            f"cross-entropy needs logits (N, classes), {logits.name} has the shape {logits.shape}; "
            "take --loss mean_squared_error or binary_cross_entropy"
        )
    log = emit("LogSoftmax", logits, axis=1)
    classes = emit("Shape", logits, start=1, end=2)
    ends = np.array([0.0, 1.0], np.float32)
    if smoothing:
        count = emit("Cast", classes, to=int(ir.DataType.FLOAT))
        share = emit("Div", np.array([smoothing], np.float32), count)
        ends_value = emit("Concat", share, emit("Add", share, 1.0 - smoothing), axis=0)
        target = emit("OneHot", labels, classes, ends_value, axis=1)
    else:
        target = emit("OneHot", labels, classes, ends, axis=1)
    per_image = emit("ReduceSum", emit("Mul", target, log), [1], keepdims=0)
    loss = emit("Neg", emit("ReduceMean", per_image, keepdims=0))
    difference = emit("Sub", emit("Exp", log), target)
    return LossValue(loss, logits, emit("Div", difference, _batch(emit, logits)))


def mean_squared_error(
    emit: Emitter, output: ir.Value, labels: ir.Value, smoothing: float = 0.0
) -> LossValue:
    """Mean squared error, as ``torch.nn.MSELoss``.

    ``loss = mean of (y - t)^2``, ``dy = 2 (y - t) / count``.

    Args:
        output, labels: float32 of one shape.
    """
    difference = emit("Sub", output, labels)
    loss = emit("ReduceMean", emit("Mul", difference, difference), keepdims=0)
    share = emit("Div", 2.0, _count(emit, output))
    return LossValue(loss, output, emit("Mul", difference, share))


def binary_cross_entropy(
    emit: Emitter, output: ir.Value, labels: ir.Value, smoothing: float = 0.0
) -> LossValue:
    """Binary cross-entropy on logits, as ``torch.nn.BCEWithLogitsLoss``.

    ``loss = mean of max(z, 0) - z t + log(1 + exp(-|z|))``, ``dz = (sigmoid(z) - t) / count``.

    Args:
        output: logits, or their Sigmoid as the graph's last operator.
        labels: float32 in 0…1, of the shape of the output.
    """
    node = output.producer()
    logits = output
    if node is not None and node.op_type == "Sigmoid" and node.inputs[0] is not None:
        logits = node.inputs[0]
    lost = emit("Log", emit("Add", emit("Exp", emit("Neg", emit("Abs", logits))), 1.0))
    above = emit("Sub", emit("Relu", logits), emit("Mul", logits, labels))
    loss = emit("ReduceMean", emit("Add", above, lost), keepdims=0)
    difference = emit("Sub", emit("Sigmoid", logits), labels)
    return LossValue(loss, logits, emit("Div", difference, _count(emit, logits)))


LOSS_FUNCTIONS: Mapping[Loss, LossFunction] = {
    "cross_entropy": cross_entropy,
    "mean_squared_error": mean_squared_error,
    "binary_cross_entropy": binary_cross_entropy,
}


def _before_softmax(output: ir.Value) -> ir.Value:
    node = output.producer()
    if node is not None and node.op_type == "Softmax" and node.inputs[0] is not None:
        return node.inputs[0]
    return output


def _batch(emit: Emitter, value: ir.Value) -> ir.Value:
    """Number of images, float32 (1,)."""
    return emit("Cast", emit("Shape", value, start=0, end=1), to=int(ir.DataType.FLOAT))


def _count(emit: Emitter, value: ir.Value) -> ir.Value:
    """Number of elements, float32, no axes."""
    return emit("Cast", emit("Size", value), to=int(ir.DataType.FLOAT))
