"""Quantisation rule of every operator: what becomes 8-bit, and why every runtime can compute it.

docs/quantisation.md prints this table. An operator that is not in it stays float, and is listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from edgecnn_runtime.encoding import Encoding


class Role(Enum):
    """Role of an operator: how the encodings of its inputs and outputs are related."""

    PRODUCT = "int8 weights, int32 sums, requantised output"
    OWN = "every input and the output have encodings of their own"
    SAME = "one encoding for all inputs and outputs"
    FIXED = "the output's encoding follows from the function"
    CLAMP = "what saturates the output of the operator before it"


@dataclass(frozen=True)
class OperatorRule:
    """The role of an operator.

    Attributes:
        weight_axis: of the output channels in a product's weight.
        encoding: of a `FIXED` operator's output.
        activations: how many inputs, from the first, are activations; None for all of them.
        why: what lets each runtime compute it in integers.
    """

    role: Role
    why: str
    activations: int | None = 1
    weight_axis: int = 0
    encoding: Encoding | None = None


_SUMS = (
    "QLinearConv or QGemm in ONNX Runtime, CONV_2D or FULLY_CONNECTED in TFLite and XNNPACK, "
    "int8 Convolution or MatMul in OpenVINO: products of 8 bits add up in 32, and one "
    "multiplication per channel brings them to the output's scale"
)
# Operators that move values and compute none.
MOVES = (
    *("DepthToSpace", "Flatten", "Identity", "Reshape", "Slice"),
    *("SpaceToDepth", "Split", "Squeeze", "Transpose", "Unsqueeze"),
)
_MOVES = "moves integers and computes none, so that scale and zero point stay what they are"
_TABLE = "a table of 256 entries; TFLite prescribes the output's encoding"
_ADDS = "QLinearAdd, ADD: both inputs are brought to the output's scale in fixed point"

RULES: Mapping[str, OperatorRule] = {
    "Conv": OperatorRule(Role.PRODUCT, _SUMS),
    "Gemm": OperatorRule(Role.PRODUCT, _SUMS),
    "ConvTranspose": OperatorRule(
        Role.PRODUCT,
        "TRANSPOSE_CONV in TFLite; ONNX Runtime has no integer kernel and computes it in float "
        "from the same 8-bit weights",
        weight_axis=1,
    ),
    "Add": OperatorRule(Role.OWN, _ADDS, None),
    "Mul": OperatorRule(Role.OWN, "QLinearMul, MUL: one product of 8 bits, requantised", None),
    "GlobalAveragePool": OperatorRule(
        Role.OWN, "QLinearGlobalAveragePool, MEAN: an int32 sum, requantised once"
    ),
    "LeakyRelu": OperatorRule(Role.OWN, "QLinearLeakyRelu, LEAKY_RELU: a table of 256 entries"),
    "MaxPool": OperatorRule(Role.SAME, "the largest integer is the largest real"),
    "AveragePool": OperatorRule(
        Role.SAME, "TFLite's AVERAGE_POOL_2D averages integers and does not requantise"
    ),
    "Concat": OperatorRule(Role.SAME, "TFLite's CONCATENATION copies integers", None),
    "Pad": OperatorRule(Role.SAME, "zero is an integer of every encoding"),
    "Resize": OperatorRule(Role.SAME, "TFLite's RESIZE_* do not requantise"),
    **{name: OperatorRule(Role.SAME, _MOVES) for name in MOVES},
    "Sigmoid": OperatorRule(Role.FIXED, _TABLE, encoding=Encoding(1 / 256, 0)),
    "Softmax": OperatorRule(Role.FIXED, _TABLE, encoding=Encoding(1 / 256, 0)),
    "Tanh": OperatorRule(Role.FIXED, _TABLE, encoding=Encoding(1 / 128, 128)),
    "Relu": OperatorRule(Role.CLAMP, "an encoding that begins at zero saturates where Relu clips"),
    "Clip": OperatorRule(Role.CLAMP, "an encoding of the clip's range saturates where it clips"),
}
