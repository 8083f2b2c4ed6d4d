"""Sums, factors and offsets of an OpenVINO file, translated back to ONNX."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.openvino.reading import (
    NotReadable,
    Numbers,
    Reading,
    Traced,
    settle,
)
from edgecnn_runtime.arrays import Array

Operand = Traced | Numbers
# Translates one operator: its operands, and the name of its output.
Reader = Callable[[Reading, Any, list[Operand], str], Operand]


def traced(operand: Operand) -> Traced:
    if isinstance(operand, Numbers):
        raise NotReadable("an operator of constants")
    return operand


def numbers(operand: Operand) -> Array:
    if isinstance(operand, Traced):
        raise NotReadable("a computed parameter")
    return operand.reals


def convolution(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
    """Convolution and GroupConvolution, whose weight has an axis more."""
    attributes, source, weight = op.get_attributes(), traced(operands[0]), operands[1]
    if isinstance(weight, Traced) or str(attributes["auto_pad"]).lower() not in (
        "explicit",
        "valid",
    ):
        raise NotReadable("a convolution with a computed weight or automatic pads")
    group = 1
    if op.get_type_name() == "GroupConvolution":
        group = weight.reals.shape[0]
        weight = _joined(weight)
    pads = [*attributes["pads_begin"], *attributes["pads_end"]]
    factor, offset = source.factor, source.offset
    if np.size(factor) > 1 or np.size(offset) > 1 or (np.any(offset) and any(pads)):
        source = Traced(settle(reading, source))
        factor, offset = source.factor, source.offset
    if source.margins:
        pads = [a + b for a, b in zip(pads, source.margins, strict=True)]
    made = reading.add(
        "Conv",
        [source.value, reading.stored(f"{name}.weight", weight)],
        name,
        group=group,
        pads=[int(each) for each in pads],
        strides=[int(each) for each in attributes["strides"]],
        dilations=[int(each) for each in attributes["dilations"]],
    )
    sums = weight.reals.reshape(len(weight.reals), -1).sum(axis=1)
    moved = np.asarray(offset).reshape(()) * sums.reshape(1, -1, *[1] * (weight.reals.ndim - 2))
    return Traced(made, np.asarray(factor).reshape(()), moved if np.any(moved) else np.zeros(()))


def _joined(weight: Numbers) -> Numbers:
    """A weight of groups, (G, O/G, I/G, …), as (O, I/G, …)."""
    shape = weight.reals.shape
    whole = (shape[0] * shape[1], *shape[2:])
    scale = None if weight.scale is None else weight.scale.reshape(whole)
    return Numbers(weight.reals.reshape(whole), scale)


def product(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
    """MatMul with a constant is a Gemm."""
    attributes, weight = op.get_attributes(), operands[1]
    source = settle(reading, traced(operands[0]))
    if isinstance(weight, Traced) or attributes["transpose_a"] or weight.reals.ndim != 2:
        raise NotReadable("a product of computed matrices")
    if not attributes["transpose_b"]:
        scale = None if weight.scale is None else weight.scale.T
        weight = Numbers(weight.reals.T, scale)
    inputs: list[ir.Value | None] = [source, reading.stored(f"{name}.weight", weight)]
    return Traced(reading.add("Gemm", inputs, name, transB=1))


def affine(sign: int, *, is_product: bool) -> Reader:
    """Multiply, Divide, Add and Subtract; with a constant they stay pending."""

    def read(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
        one, two = operands
        if isinstance(one, Numbers) and isinstance(two, Numbers):
            return _of_constants(one, two, sign, is_product=is_product)
        if isinstance(one, Numbers):
            if sign < 0:
                raise NotReadable(f"{op.get_type_name()} from a constant")
            one, two = two, one
        if isinstance(two, Numbers) and isinstance(one, Traced) and not one.margins:
            array = two.reals.astype(np.float64)
            maker = one.value.producer()
            if array.ndim == 1 and maker is not None and maker.op_type == "Gemm":
                array = array[None]
            if array.size > 1 and (array.ndim < 2 or array.size != array.shape[1]):
                raise NotReadable(f"{op.get_type_name()} with a constant of shape {array.shape}")
            array = array.reshape(()) if array.size == 1 else array
            if is_product:
                array = array if sign > 0 else 1 / array
                return Traced(one.value, one.factor * array, one.offset * array)
            return Traced(one.value, one.factor, one.offset + sign * array)
        values = [settle(reading, traced(each)) for each in (one, two)]
        kind = {(1, True): "Mul", (-1, True): "Div", (1, False): "Add", (-1, False): "Sub"}
        return Traced(reading.add(kind[sign, is_product], [*values], name))

    return read


def _of_constants(one: Numbers, two: Numbers, sign: int, *, is_product: bool) -> Numbers:
    if not is_product:
        return Numbers(one.reals + sign * two.reals, one.scale)
    if sign < 0:
        return Numbers(one.reals / two.reals)
    scale = None if one.scale is None else np.broadcast_to(one.scale * two.reals, one.reals.shape)
    return Numbers(one.reals * two.reals, scale)


def convert(reading: Reading, op: Any, operands: list[Operand], name: str) -> Operand:
    """Conversion of integers to floats and back; integers have the scale 1."""
    operand = operands[0]
    if isinstance(operand, Numbers) and operand.reals.dtype.kind in "iu":
        return Numbers(operand.reals.astype(np.float64), np.ones(operand.reals.shape))
    return operand
