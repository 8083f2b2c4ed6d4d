"""Layers with weights: their operators and their MACs."""

from __future__ import annotations

import math

from edgecnn.zoo.analysis.tracing import Operation, Trace
from edgecnn.zoo.analysis.windows import CONVOLUTIONS, MATRIX_PRODUCTS, TRANSPOSED

# One and three axes of space: counted, though without a receptive field.
OTHER_CONVOLUTIONS = frozenset({"conv1d", "conv3d"})


def is_weighted(operation: Operation) -> bool:
    """Whether it is a layer: a convolution, or a product with a constant matrix."""
    if operation.name in CONVOLUTIONS | TRANSPOSED | OTHER_CONVOLUTIONS:
        return True
    return operation.name in MATRIX_PRODUCTS and _matrix(operation) is not None


def count_macs(trace: Trace, operation: Operation) -> int:
    """Multiply-accumulates of a layer, 0 of anything else; biases are not counted.

    Each output of a convolution sums over its taps and the channels of its group, so C outputs of
    H×W cost ``C·H·W · C_in/groups · kH·kW``. A transposed convolution costs that of its inputs.
    """
    weight = _matrix(operation)
    if weight is None or not is_weighted(operation):
        return 0
    read = trace.values[operation.inputs[0]].shape
    shape = trace.values[operation.outputs[0]].shape
    if operation.name in TRANSPOSED or operation.arguments.get("transposed"):
        return math.prod(read) * math.prod(weight[1:])
    if operation.name in MATRIX_PRODUCTS - {"linear"}:
        is_left = "self" in operation.constants and operation.name != "addmm"
        return math.prod(shape) * weight[-1 if is_left else -2]
    return math.prod(shape) * math.prod(weight[1:])


def _matrix(operation: Operation) -> tuple[int, ...] | None:
    """Shape of the weights: constant, of two axes or more."""
    shapes = (shape for name, shape in operation.constants.items() if name != "bias")
    return next((shape for shape in shapes if len(shape) > 1), None)
