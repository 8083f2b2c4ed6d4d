"""State of reading an OpenVINO file as an ONNX graph: values, pending factors, constants.

A file in 8 bits multiplies its sums by factors and rounds them to steps, and holds weights in units
that are powers of two (`RequantiseInSteps`). Such factors are carried along with a value until an
operator needs the number itself, and then become part of the weights before it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.weights import input_of, stored_constant
from edgecnn_exporters.passes.graph import constant, is_operator
from edgecnn_runtime.arrays import Array

SUMS = ("Conv", "Gemm")


class NotReadable(Exception):
    """The file has an operator, or a form of one, that is not translated."""


@dataclass(frozen=True)
class Numbers:
    """A constant of the file.

    Attributes:
        reals: its values.
        scale: of the same shape, of a constant that is stored in integers; else None.
    """

    reals: Array
    scale: Array | None = None


@dataclass(frozen=True)
class Traced:
    """A tensor of the file: ``value · factor + offset``, where `value` is of the ONNX graph.

    Attributes:
        factor, offset: scalars, or one number for each channel, (1, C, 1, 1) or (1, C).
        margins: zeros around the image that are not in `value` yet, as ONNX's pads.
    """

    value: ir.Value
    factor: Array = field(default_factory=lambda: np.ones(()))
    offset: Array = field(default_factory=lambda: np.zeros(()))
    margins: tuple[int, ...] = ()


@dataclass
class Reading:
    """State of a file that is being read.

    Attributes:
        reference: the graph that the file was written from: names, and scales that it lacks.
        known: its computed values by name.
        encoded: names of float value and its 8-bit form, by any name of the latter.
        nodes, inputs: of the ONNX graph.
        taken: names of its values.
        shared: values with several readers, which no reader's factor may change.
    """

    reference: ir.Model
    known: dict[str, ir.Value]
    encoded: dict[str, tuple[str, str]]
    nodes: list[ir.Node] = field(default_factory=list)
    inputs: list[ir.Value] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    shared: set[ir.Value] = field(default_factory=set)

    def add(
        self, operator: str, inputs: list[ir.Value | None], name: str, **attributes: Any
    ) -> ir.Value:
        """Add a node; its output, named `name`, or with a number where that is taken."""
        name = self.free(name)
        node = ir.node(operator, inputs, attributes=attributes, name=name)
        node.outputs[0].name = name
        node.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
        self.nodes.append(node)
        return node.outputs[0]

    def free(self, name: str) -> str:
        """`name`, or with a number where another value has it."""
        stem, number = name, 0
        while name in self.taken:
            number += 1
            name = f"{stem}_{number}"
        self.taken.add(name)
        return name

    def constant(self, name: str, array: Array) -> ir.Value:
        """A constant value."""
        name = self.free(name)
        tensor = ir.tensor(np.array(array, order="C"), name=name)
        value = ir.Value(name=name, const_value=tensor, type=ir.TensorType(tensor.dtype))
        value.shape = ir.Shape(array.shape)
        return value

    def stored(self, name: str, numbers: Numbers) -> ir.Value:
        """A weight; behind a DequantizeLinear where it is stored in integers."""
        if numbers.scale is None:
            return self.constant(name, numbers.reals.astype(np.float32))
        scale = _by_channel(numbers.scale)
        if scale is None:
            return self.constant(name, numbers.reals.astype(np.float32))
        integers = np.rint(numbers.reals / numbers.scale).astype(np.int32)
        inputs: list[ir.Value | None] = [
            self.constant(f"{name}.integers", integers),
            self.constant(f"{name}.scale", scale.astype(np.float32)),
        ]
        attributes = {"axis": 0} if scale.ndim else {}
        return self.add("DequantizeLinear", inputs, f"{name}.reals", **attributes)


def values_of(model: ir.Model) -> dict[str, ir.Value]:
    """Computed values of a graph by name."""
    return {str(value.name): value for node in model.graph for value in node.outputs}


def settle(reading: Reading, traced: Traced, name: str = "") -> ir.Value:
    """The number itself: pending factors and margins become part of the graph."""
    value = traced.value
    if np.any(traced.factor != 1) or np.any(traced.offset != 0):
        value = _scaled(reading, value, traced.factor, traced.offset)
    if any(traced.margins):
        half = len(traced.margins) // 2
        pads = [0, 0, *traced.margins[:half], 0, 0, *traced.margins[half:]]
        amounts = reading.constant(f"{value.name}.pads", np.array(pads, np.int64))
        value = reading.add("Pad", [value, amounts], f"{value.name}.padded")
    if name:
        _rename(reading, value, name)
    return value


def _rename(reading: Reading, value: ir.Value, name: str) -> None:
    node = value.producer()
    if node is not None and name not in reading.taken:
        reading.taken.add(name)
        value.name = node.name = name


def _scaled(reading: Reading, value: ir.Value, factor: Array, offset: Array) -> ir.Value:
    if fold(reading, value, factor, offset):
        return value
    stem = str(value.name)
    if np.any(factor != 1):
        array = reading.constant(f"{stem}.factor", factor.astype(np.float32))
        value = reading.add("Mul", [value, array], f"{stem}.scaled")
    if np.any(offset != 0):
        array = reading.constant(f"{stem}.offset", offset.astype(np.float32))
        value = reading.add("Add", [value, array], f"{stem}.shifted")
    return value


def fold(reading: Reading, value: ir.Value, factor: Array, offset: Array) -> bool:
    """Make factor and offset part of the sum that computes a value; False where none can take it.

    A Relu between lets positive factors through.
    """
    node = value.producer()
    if node is None or value in reading.shared or len(value.uses()) > 0:
        return False
    if is_operator(node, "Relu", "LeakyRelu") and not np.any(offset) and np.all(factor > 0):
        inner = node.inputs[0]
        assert inner is not None
        return inner not in reading.shared and _fold_through(inner, node, factor)
    if is_operator(node, "Clip") and not np.any(offset) and np.size(factor) == 1:
        inner = node.inputs[0]
        assert inner is not None
        if inner in reading.shared or not np.all(factor > 0):
            return False
        if not _fold_through(inner, node, factor):
            return False
        for bound in node.inputs[1:]:
            if bound is not None and (array := constant(bound)) is not None:
                _set(bound, (array * factor.reshape(())).astype(np.float32))
        return True
    if not is_operator(node, *SUMS) or len(node.inputs) < 2:
        return False
    return _fold_into_sum(node, np.ravel(factor), np.ravel(offset))


def _fold_through(inner: ir.Value, reader: ir.Node, factor: Array) -> bool:
    node = inner.producer()
    if node is None or {use.node for use in inner.uses()} != {reader}:
        return False
    if not is_operator(node, *SUMS):
        return False
    return _fold_into_sum(node, np.ravel(factor), np.zeros(1))


def _fold_into_sum(node: ir.Node, factor: Array, offset: Array) -> bool:
    weight = stored_constant(input_of(node, 1))
    if weight is None:
        return False
    channels = len(weight.reals)
    if factor.size not in (1, channels) or offset.size not in (1, channels):
        return False
    factor, offset = np.broadcast_to(factor, channels), np.broadcast_to(offset, channels)
    _multiply(node.inputs[1], factor)
    if len(node.inputs) > 2 and node.inputs[2] is not None:
        _multiply(node.inputs[2], factor)
        if np.any(offset):
            bias = stored_constant(node.inputs[2])
            assert bias is not None
            _put_bias(node, bias.reals + offset)
    elif np.any(offset):
        _put_bias(node, offset)
    return True


def _put_bias(node: ir.Node, array: Array) -> None:
    name = f"{node.name}.bias"
    tensor = ir.tensor(array.astype(np.float32), name=name)
    value = ir.Value(name=name, const_value=tensor, type=ir.TensorType(tensor.dtype))
    value.shape = ir.Shape(array.shape)
    node.resize_inputs(3)
    node.replace_input_with(2, value)


def _multiply(value: ir.Value | None, factor: Array) -> None:
    """Multiply a weight or bias, or the scale of one in integers, by a factor of each channel."""
    assert value is not None
    node = value.producer()
    if node is None:
        array = constant(value)
        assert array is not None
        shaped = factor.reshape(-1, *[1] * (array.ndim - 1))
        _set(value, (array * shaped).astype(np.float32))
        return
    scale = node.inputs[1]
    assert scale is not None
    array = constant(scale)
    assert array is not None
    _set(scale, (array * factor).astype(np.float32))
    node.attributes["axis"] = ir.AttrInt64("axis", 0)


def _set(value: ir.Value, array: Array) -> None:
    value.const_value = ir.tensor(np.array(array, order="C"), name=value.name)
    value.shape = ir.Shape(array.shape)


def _by_channel(scale: Array) -> Array | None:
    """One scale for each first index, (C,), or one for all, (); None for anything else."""
    rows = scale.reshape(len(scale), -1) if scale.ndim else scale.reshape(1, 1)
    if (rows != rows[:, :1]).any():
        return None
    per_channel: Array = rows[:, 0]
    return per_channel
