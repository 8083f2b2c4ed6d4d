"""Operator versions of a TFLite file: the lowest one that computes what is written.

A runtime refuses an operator of a version that it does not know. The numbers are those of
TensorFlow Lite's own converter, tensorflow/lite/tools/versioning/op_version.cc.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Signature:
    """Signature of an operator, which decides its version.

    Attributes:
        inputs: element types; empty for an optional input that is absent.
        shapes: of the inputs.
        output: element type of the first output.
        options: the schema's options of the operator; None where it has none.
    """

    inputs: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    output: str
    options: Any

    @property
    def rank(self) -> int:
        """The number of axes of the first input."""
        return len(self.shapes[0])

    @property
    def largest_rank(self) -> int:
        """The largest number of axes of any input."""
        return max(map(len, self.shapes))

    @property
    def is_int8(self) -> bool:
        """Whether the first input holds 8-bit integers."""
        return self.inputs[0] == "int8"


def version_of(name: str, signature: Signature) -> int:
    """The version of the operator `name` on these tensors."""
    rule = _RULES.get(name)
    if rule is not None:
        return rule(signature)
    return 2 if name in _INT8_IS_2 and signature.is_int8 else 1


def _convolution(signature: Signature) -> int:
    if signature.shapes[0][-1] != signature.shapes[1][-1]:
        return 6
    if signature.is_int8:
        return 3
    return 5 if signature.inputs[1] == "int8" else 1


def _depthwise(signature: Signature) -> int:
    if signature.is_int8:
        return 3
    dilated = signature.options.dilationHFactor != 1 or signature.options.dilationWFactor != 1
    return 2 if dilated else 1


def _fully_connected(signature: Signature) -> int:
    if signature.inputs[0] == "float32" and signature.inputs[1] == "int8":
        return 9 if signature.options.asymmetricQuantizeInputs else 3
    if len(signature.inputs) == 2 or not signature.inputs[2]:
        return 6
    if signature.options.keepNumDims:
        return 5
    return 4 if signature.is_int8 else 1


def _transpose(signature: Signature) -> int:
    if signature.rank > 4:
        return 6 if signature.rank > 5 else 4
    return 2 if signature.is_int8 else 1


def _transpose_convolution(signature: Signature) -> int:
    if signature.options.fusedActivationFunction:
        return 4
    if len(signature.inputs) == 4:
        return 3
    return 2 if signature.inputs[1] == "int8" else 1


def _split(signature: Signature) -> int:
    return 2 if signature.inputs[1] == "int8" else 1


def _dequantise(signature: Signature) -> int:
    if signature.inputs[0] == "float16":
        return 3
    return 2 if signature.is_int8 else 1


def _resize_bilinear(signature: Signature) -> int:
    if signature.options.halfPixelCenters:
        return 3
    return 2 if signature.is_int8 else 1


def _resize_nearest(signature: Signature) -> int:
    if signature.options.halfPixelCenters or signature.options.alignCorners:
        return 3
    return 2 if signature.is_int8 else 1


def _of_rank_five(version: int) -> Callable[[Signature], int]:
    """The rule of an operator whose five axes came with `version`, and int8 with version 2."""
    return lambda signature: version if signature.rank > 4 else 2 if signature.is_int8 else 1


def _broadcast_of_many(signature: Signature) -> int:
    if signature.largest_rank > 4:
        return 3
    return 2 if signature.is_int8 else 1


def _multiply(signature: Signature) -> int:
    # Version 3 allows a product of scales of one and more; every runtime since 2020 has it.
    return 3 if signature.is_int8 else 1


_RULES: Mapping[str, Callable[[Signature], int]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "TRANSPOSE": _transpose,
    "TRANSPOSE_CONV": _transpose_convolution,
    "SPLIT": _split,
    "SLICE": _of_rank_five(5),
    "STRIDED_SLICE": _of_rank_five(4),
    "DEQUANTIZE": _dequantise,
    "RESIZE_BILINEAR": _resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": _resize_nearest,
    "MAXIMUM": _broadcast_of_many,
    "MINIMUM": _broadcast_of_many,
    "SUB": _broadcast_of_many,
    "DIV": lambda signature: 2 if signature.largest_rank > 4 else 1,
    "MUL": _multiply,
    "PAD": _of_rank_five(4),
    "PADV2": _of_rank_five(4),
    "BROADCAST_TO": lambda signature: 3 if signature.is_int8 else 2,
}
_INT8_IS_2 = frozenset(
    {
        "ABS",
        "ADD",
        "ARG_MAX",
        "AVERAGE_POOL_2D",
        "BATCH_MATMUL",
        "CONCATENATION",
        "DEPTH_TO_SPACE",
        "EXP",
        "GATHER",
        "GELU",
        "LOG",
        "LOGISTIC",
        "LOG_SOFTMAX",
        "MAX_POOL_2D",
        "MEAN",
        "MIRROR_PAD",
        "REDUCE_MAX",
        "REDUCE_MIN",
        "REDUCE_PROD",
        "RELU",
        "RELU6",
        "RSQRT",
        "SOFTMAX",
        "SPACE_TO_DEPTH",
        "SPLIT_V",
        "SUM",
        "TANH",
    }
)
