"""Table of operators for learning: differentiated by a rule, constant, or refused with the reason.

An operator that stands in none of them is refused as one without a rule.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgecnn_exporters.gradient.rule import Rule
from edgecnn_exporters.gradient.rules import activations, arithmetic, moves, pools, products

RULES: Mapping[str, Rule] = {
    "Add": arithmetic.add,
    "Conv": products.conv,
    "Flatten": moves.reshape,
    "Gemm": products.gemm,
    "GlobalAveragePool": pools.global_average_pool,
    "Identity": moves.identity,
    "MaxPool": pools.max_pool,
    "Relu": activations.relu,
    "Clip": activations.clip,
    "Reshape": moves.reshape,
}

# Results do not change with small changes of the inputs: their gradient is zero everywhere.
CONSTANT: frozenset[str] = frozenset(
    {
        "ArgMax",
        "ArgMin",
        "Ceil",
        "Equal",
        "Floor",
        "Greater",
        "GreaterOrEqual",
        "IsInf",
        "IsNaN",
        "Less",
        "LessOrEqual",
        "NonZero",
        "Not",
        "And",
        "Or",
        "Round",
        "Shape",
        "Sign",
        "Size",
    }
)

# Operators whose gradient is left out on purpose.
REFUSED: Mapping[str, str] = {
    "QuantizeLinear": "it is quantised already; export the float network",
    "DequantizeLinear": "it is quantised already; export the float network",
    "If": "it chooses between graphs",
    "Loop": "it is a loop",
    "Scan": "it is a loop",
    "LSTM": "it is recurrent",
    "GRU": "it is recurrent",
    "RNN": "it is recurrent",
}
