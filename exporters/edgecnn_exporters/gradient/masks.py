"""Masks of a backward pass: 1 where a comparison holds, else 0, as floats to multiply by.

ONNX Runtime 1.32 takes twelve times as long for a Where as for Cast and Mul (on x86, 1.6 million
values: 23.5 ms with its comparison, 1.9 ms as a product; one thread). It casts on one thread only,
so that `positive` is a steep HardSigmoid: beside its product 0.11 ms on two threads for 16 channels
on 32×32 at batch 32, where Greater, Cast and Mul take 0.68 (0.19 and 0.22 ms on one).
"""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.gradient.emit import Emitter, Operand


def mask(emit: Emitter, comparison: str, value: ir.Value, other: Operand) -> ir.Value:
    """1 where the comparison of two operands holds, else 0."""
    return as_float(emit, emit(comparison, value, other))


# The least positive value that `positive` takes for one is 1 / STEEPNESS, which is subnormal.
STEEPNESS = 3e38


def positive(emit: Emitter, value: ir.Value) -> ir.Value:
    """1 where a value is above 0, else 0."""
    if emit.dtype != ir.DataType.FLOAT:  # ONNX Runtime has no HardSigmoid of other types
        return mask(emit, "Greater", value, 0.0)
    return emit("HardSigmoid", value, alpha=STEEPNESS, beta=0.0)


def as_float(emit: Emitter, condition: ir.Value) -> ir.Value:
    """1 where the condition is true, else 0."""
    return emit("Cast", condition, to=int(emit.dtype))


def blend(emit: Emitter, chosen: ir.Value, one: Operand, other: Operand) -> ir.Value:
    """``one`` where the mask is 1, ``other`` where it is 0; both finite."""
    rest = emit("Mul", emit("Sub", 1.0, chosen), other)
    return emit("Add", chosen if one == 1.0 else emit("Mul", chosen, one), rest)
