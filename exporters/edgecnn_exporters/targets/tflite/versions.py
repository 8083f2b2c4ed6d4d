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
        inputs: element types; empty for an optional input that is not there.
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
        """The number of axes of the input that has most."""
        return max(map(len, self.shapes))

    @property
    def is_int8(self) -> bool:
        """Whether the first input that is data holds 8-bit integers."""
        return self.inputs[0] == "int8"


def version_of(name: str, found: Signature) -> int:
    """The version of the operator `name` on these tensors."""
    rule = _RULES.get(name)
    if rule is not None:
        return rule(found)
    return 2 if name in _INT8_IS_2 and found.is_int8 else 1


def _convolution(found: Signature) -> int:
    if found.shapes[0][-1] != found.shapes[1][-1]:
        return 6
    if found.is_int8:
        return 3
    return 5 if found.inputs[1] == "int8" else 1


def _depthwise(found: Signature) -> int:
    if found.is_int8:
        return 3
    dilated = found.options.dilationHFactor != 1 or found.options.dilationWFactor != 1
    return 2 if dilated else 1


def _fully_connected(found: Signature) -> int:
    if found.inputs[0] == "float32" and found.inputs[1] == "int8":
        return 9 if found.options.asymmetricQuantizeInputs else 3
    if len(found.inputs) == 2 or not found.inputs[2]:
        return 6
    if found.options.keepNumDims:
        return 5
    return 4 if found.is_int8 else 1


def _transpose(found: Signature) -> int:
    if found.rank > 4:
        return 6 if found.rank > 5 else 4
    return 2 if found.is_int8 else 1


def _transpose_convolution(found: Signature) -> int:
    if found.options.fusedActivationFunction:
        return 4
    if len(found.inputs) == 4:
        return 3
    return 2 if found.inputs[1] == "int8" else 1


def _split(found: Signature) -> int:
    return 2 if found.inputs[1] == "int8" else 1


def _dequantise(found: Signature) -> int:
    if found.inputs[0] == "float16":
        return 3
    return 2 if found.is_int8 else 1


def _resize_bilinear(found: Signature) -> int:
    if found.options.halfPixelCenters:
        return 3
    return 2 if found.is_int8 else 1


def _resize_nearest(found: Signature) -> int:
    if found.options.halfPixelCenters or found.options.alignCorners:
        return 3
    return 2 if found.is_int8 else 1


def _of_rank_five(version: int) -> Callable[[Signature], int]:
    """More than four axes came with `version`, 8 bits with the second."""
    return lambda found: version if found.rank > 4 else 2 if found.is_int8 else 1


def _broadcast_of_many(found: Signature) -> int:
    if found.largest_rank > 4:
        return 3
    return 2 if found.is_int8 else 1


def _multiply(found: Signature) -> int:
    # Version 3 allows a product of scales of one and more; every runtime since 2020 has it.
    return 3 if found.is_int8 else 1


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
    "DIV": lambda found: 2 if found.largest_rank > 4 else 1,
    "MUL": _multiply,
    "PAD": _of_rank_five(4),
    "PADV2": _of_rank_five(4),
    "BROADCAST_TO": lambda found: 3 if found.is_int8 else 2,
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
