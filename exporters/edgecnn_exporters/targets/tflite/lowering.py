"""Lowering of one graph to TFLite: the tensor of every value, its axis order and type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes.graph import constant, sole_reader
from edgecnn_exporters.targets.tflite.activations import clip_bounds, is_saturation
from edgecnn_exporters.targets.tflite.flatbuffer import Flatbuffer, Quantisation
from edgecnn_exporters.targets.tflite.moving import reshape, transpose
from edgecnn_exporters.targets.tflite.narrowing import halve
from edgecnn_exporters.targets.tflite.nodes import names_of, shape_of
from edgecnn_exporters.targets.tflite.pairs import Integers
from edgecnn_exporters.targets.tflite.source import TFLiteSource
from edgecnn_exporters.targets.tflite.views import Axes, View
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.encoding import Encoding

BUILTIN = schema.BuiltinOperator
# Unsigned integers of the QDQ graph, signed ones of TFLite: the same quantisation.
SIGNED = 128

WeightType = Literal["float32", "float16"]


@dataclass(frozen=True)
class PlacedTensor:
    """A tensor with the layout of a value's elements in it."""

    tensor: int
    view: View


class Lowering:
    """Translation of one graph to one flatbuffer.

    A value is held as float, in 8 bits, or both: an operator reads the form that it computes
    in, and a missing form is written as a QUANTIZE or DEQUANTIZE. *Order* is always that of the
    value's axes in memory, (0, 2, 3, 1) for an image with its channels last.
    """

    def __init__(self, source: TFLiteSource, weights: WeightType) -> None:
        self.source = source
        self.file = Flatbuffer(names_of(source.graph))
        self.done: set[str] = set()
        self._weights = weights
        self._placed: dict[tuple[str, bool], PlacedTensor] = {}
        # Floats that were made of 8 bits.
        self._rounded: dict[str, PlacedTensor] = {}
        self._ordered: dict[tuple[int, Axes, tuple[int, ...]], int] = {}
        # Tensors with the name of the value that they hold.
        self._named: set[int] = set()

    def refuse(self, node: ir.Node, reason: str) -> UnsupportedModel:
        """The error of a node without a translation, with the reason."""
        return UnsupportedModel(
            f"{node.name} ({node.op_type}) cannot be written as TFLite: {reason}"
        )

    # Reading.

    def order_of(self, value: ir.Value) -> Axes:
        """The order in which the value can be read without moving data, or else its own."""
        placed = self._any(value)
        order = placed.view.order()
        return tuple(range(len(placed.view.axes))) if order is None else order

    def read(self, value: ir.Value, order: Sequence[int], *, integer: bool = False) -> int:
        """A tensor that holds the value with its axes in this order."""
        if (array := constant(value)) is not None:
            return self._read_constant(value, array, order, integer=integer)
        placed = self._place(value, integer=integer)
        return self._arrange(placed, shape_of(value), order)

    def read_operand(
        self, value: ir.Value, rank: int, order: Sequence[int], *, integer: bool
    ) -> int:
        """As `read`, of a value that is broadcast against others of that rank."""
        shape = shape_of(value)
        if len(shape) == rank:
            return self.read(value, order, integer=integer)
        wide = (1,) * (rank - len(shape)) + shape
        if (array := constant(value)) is not None:
            return self._read_constant(value, array.reshape(wide), order, integer=integer)
        placed = self._place(value, integer=integer)
        view = placed.view.reshaped(wide)
        assert view is not None
        return self._arrange(PlacedTensor(placed.tensor, view), wide, order)

    def read_as_is(self, value: ir.Value, *, integer: bool = False) -> PlacedTensor:
        """The tensor that holds the value, in whatever order that is."""
        return self._place(value, integer=integer)

    def read_rounded(self, value: ir.Value) -> PlacedTensor:
        """The value in float, after rounding to its 8-bit encoding."""
        name = str(value.name)
        if name not in self._rounded:
            placed = self._place(value, integer=True)
            self._rounded[name] = PlacedTensor(
                self._to_float(f"{name}.rounded", placed), placed.view
            )
        return self._rounded[name]

    def arrange(self, value: ir.Value, placed: PlacedTensor, order: Sequence[int]) -> int:
        """A tensor of the value in `placed`, with its axes in this order."""
        return self._arrange(placed, shape_of(value), order)

    def integers(self, value: ir.Value) -> Integers | None:
        """Integers of a constant in the QDQ graph; None where it is float there."""
        return self.source.constants.get(str(value.name))

    def encoding(self, value: ir.Value) -> Encoding:
        """The 8-bit encoding of the value.

        Raises:
            KeyError: it has none.
        """
        return self.source.encodings[str(value.name)]

    # Writing.

    def _written(self, value: ir.Value, *, integer: bool) -> ir.Value:
        """The value that an operator's result is: behind a clip that 8 bits are by saturation."""
        clip = sole_reader(value) if integer and str(value.name) in self.source.unheld else None
        bounds = clip_bounds(clip) if clip is not None else None
        if clip is None or bounds is None or not is_saturation(bounds, self.encoding(value)):
            return value
        self.done.add(str(clip.name))
        return clip.outputs[0]

    def write(self, value: ir.Value, order: Sequence[int], *, integer: bool = False) -> int:
        """A new tensor for what an operator computes, its axes in this order."""
        value = self._written(value, integer=integer)
        shape = shape_of(value)
        name = str(value.name)
        tensor = self.temporary(
            name,
            [shape[axis] for axis in order],
            self.encoding(value) if integer else None,
            is_value=True,
        )
        self.keep(value, PlacedTensor(tensor, View.of(shape, order)), integer=integer)
        return tensor

    def write_like(self, value: ir.Value, placed: PlacedTensor, *, integer: bool = False) -> int:
        """A new tensor for what an operator computes element by element of another."""
        value = self._written(value, integer=integer)
        encoding = self.encoding(value) if integer else None
        shape = self.file.shape(placed.tensor)
        tensor = self.temporary(str(value.name), shape, encoding, is_value=True)
        self.keep(value, PlacedTensor(tensor, placed.view), integer=integer)
        return tensor

    def view_as(self, value: ir.Value, source: ir.Value, view: View) -> None:
        """Record `value` as another view of `source`: no operator is written."""
        for integer in (False, True):
            if (placed := self._placed.get((str(source.name), integer))) is not None:
                self._placed[str(value.name), integer] = PlacedTensor(placed.tensor, view)

    def take_over(
        self, value: ir.Value, tensor: int, order: Sequence[int], *, integer: bool = False
    ) -> None:
        """Record a tensor that is already written as the value, and name it so."""
        self.take_over_as(value, tensor, View.of(shape_of(value), order), integer=integer)

    def take_over_as(
        self, value: ir.Value, tensor: int, view: View, *, integer: bool = False
    ) -> None:
        """As `take_over`, of a tensor with the layout `view`."""
        value = self._written(value, integer=integer)
        if tensor not in self._named:
            self.file.rename(tensor, str(value.name), is_value=True)
        self.keep(value, PlacedTensor(tensor, view), integer=integer)

    def temporary(
        self,
        name: str,
        shape: Sequence[int],
        encoding: Encoding | None,
        *,
        is_value: bool = False,
    ) -> int:
        """A tensor that holds floats, or 8 bits of that encoding."""
        if encoding is None:
            return self.file.tensor(name, shape, "float32", is_value=is_value)
        meaning = quantisation_of(encoding)
        return self.file.tensor(name, shape, "int8", meaning, is_value=is_value)

    def numbers(self, name: str, array: Array) -> int:
        """A constant that an operator needs beside its data."""
        return self.file.constant(name, array)

    def weight(self, name: str, array: Array) -> int:
        """A float constant of a layer, in 16 bits if the export stores weights so."""
        if self._weights == "float32" or array.dtype != np.float32:
            return self.file.constant(name, array)
        half = self.file.constant(f"{name}.half", halve(array, name))
        tensor = self.file.tensor(name, array.shape, "float32")
        self.file.operator(BUILTIN.DEQUANTIZE, [half], [tensor], schema.DequantizeOptionsT())
        return tensor

    def integer_weight(
        self, name: str, array: Array, scale: Array, zero_point: int = 0, axis: int = 0
    ) -> int:
        """A constant in integers, with one scale or one along an axis."""
        scales = tuple(float(each) for each in np.atleast_1d(scale))
        quantisation = Quantisation(scales, (zero_point,) * len(scales), axis)
        return self.file.constant(name, array, quantisation)

    # Forms and orders of a value.

    def keep(self, value: ir.Value, placed: PlacedTensor, *, integer: bool) -> None:
        """Record the tensor, which has the value's name, as the value in this form."""
        self._placed[str(value.name), integer] = placed
        self._named.add(placed.tensor)

    def _any(self, value: ir.Value) -> PlacedTensor:
        name = str(value.name)
        return self._placed.get((name, True)) or self._placed[name, False]

    def _place(self, value: ir.Value, *, integer: bool) -> PlacedTensor:
        name = str(value.name)
        placed = self._placed.get((name, integer))
        if placed is not None:
            return placed
        other = self._placed[name, not integer]
        if integer:
            shape = self.file.shape(other.tensor)
            tensor = self.temporary(f"{name}.quantised", shape, self.encoding(value))
            self.file.operator(
                BUILTIN.QUANTIZE, [other.tensor], [tensor], schema.QuantizeOptionsT()
            )
        else:
            tensor = self._to_float(f"{name}.float", other)
            self._rounded[name] = PlacedTensor(tensor, other.view)
        self._placed[name, integer] = PlacedTensor(tensor, other.view)
        return self._placed[name, integer]

    def _to_float(self, name: str, placed: PlacedTensor) -> int:
        tensor = self.temporary(name, self.file.shape(placed.tensor), None)
        options = schema.DequantizeOptionsT()
        self.file.operator(BUILTIN.DEQUANTIZE, [placed.tensor], [tensor], options)
        return tensor

    def _read_constant(
        self, value: ir.Value, array: Array, order: Sequence[int], *, integer: bool
    ) -> int:
        name = str(value.name)
        integers = self.integers(value) if integer else None
        if integers is None:
            # A float operator reads float constants, though an exponent may be integer in ONNX.
            return self.numbers(name, array.astype(np.float32).transpose(order))
        signed = integers.array.reshape(array.shape).transpose(order).astype(np.int16)
        offset = SIGNED if integers.array.dtype == np.uint8 else 0
        return self.integer_weight(
            name, (signed - offset).astype(np.int8), integers.scale, integers.zero_point - offset
        )

    def _arrange(self, placed: PlacedTensor, shape: Sequence[int], order: Sequence[int]) -> int:
        """A tensor of the shape with its axes in the order: as it is, reshaped or transposed."""
        wanted = tuple(shape[axis] for axis in order)
        key = (placed.tensor, placed.view.permutation(order)[1], wanted)
        if key not in self._ordered:
            self._ordered[key] = self._rearrange(placed, wanted, order)
        return self._ordered[key]

    def _rearrange(
        self, placed: PlacedTensor, wanted: tuple[int, ...], order: Sequence[int]
    ) -> int:
        if placed.view.lies_in(order):
            return reshape(self.file, placed.tensor, wanted)
        shape, permutation = placed.view.permutation(order)
        whole = reshape(self.file, placed.tensor, shape)
        return reshape(self.file, transpose(self.file, whole, permutation), wanted)


def quantisation_of(encoding: Encoding, *, signed: bool = True) -> Quantisation:
    """TFLite's quantisation parameters of an encoding, in signed form or as they are."""
    zero_point = encoding.zero_point - SIGNED if signed else encoding.zero_point
    return Quantisation((encoding.scale,), (zero_point,))
