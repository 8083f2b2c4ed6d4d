"""LayerNormalization and InstanceNormalization, from the operators that TFLite has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.tflite.lowering import BUILTIN, Lowering
from edgecnn_exporters.targets.tflite.nodes import attribute, shape_of
from edgecnn_exporters.targets.tflite.operators.operator import Operator, never


def normalise_layer(low: Lowering, node: ir.Node, integer: bool) -> None:
    """Statistics over the last axes; scale and offset lie along them."""
    rank = len(shape_of(node.outputs[0]))
    _standardise(low, node, range(attribute(node, "axis", -1) % rank, rank), after=0)


def normalise_instance(low: Lowering, node: ir.Node, integer: bool) -> None:
    """Statistics over the pixels; a scale and an offset for each channel."""
    rank = len(shape_of(node.outputs[0]))
    _standardise(low, node, range(2, rank), after=rank - 2)


@dataclass(frozen=True)
class _Steps:
    """Writer of the operators between the input of a node and its output `name`."""

    low: Lowering
    name: str

    def combine(self, code: int, options: Any, left: int, right: int) -> int:
        """An operator of two tensors; the result has the shape of the first."""
        result = self.low.temporary(f"{self.name}.step", self.low.file.shape(left), None)
        self.low.file.operator(code, [left, right], [result], options)
        return result

    def mean(self, data: int, places: Sequence[int]) -> int:
        """MEAN over axes in memory order, which are kept."""
        options = schema.ReducerOptionsT()
        options.keepDims = True
        sizes = self.low.file.shape(data)
        shape = [1 if place in places else size for place, size in enumerate(sizes)]
        result = self.low.temporary(f"{self.name}.mean", shape, None)
        axes = self.low.numbers("axes", np.array(places, np.int32))
        self.low.file.operator(BUILTIN.MEAN, [data, axes], [result], options)
        return result

    def inverse_root(self, data: int) -> int:
        """RSQRT."""
        result = self.low.temporary(f"{self.name}.root", self.low.file.shape(data), None)
        self.low.file.operator(BUILTIN.RSQRT, [data], [result])
        return result


def _standardise(low: Lowering, node: ir.Node, axes: Sequence[int], after: int) -> None:
    """``scale (x - mean) / sqrt(var + epsilon) + offset``, mean and var over those axes.

    Args:
        after: the number of axes behind those along which scale and offset lie.
    """
    source, scale, *rest = node.inputs
    assert source is not None
    order = low.order_of(source)
    places = sorted(order.index(axis) for axis in axes)
    data = low.read(source, order)
    steps = _Steps(low, str(node.outputs[0].name))
    centred = steps.combine(BUILTIN.SUB, schema.SubOptionsT(), data, steps.mean(data, places))
    square = steps.combine(BUILTIN.MUL, schema.MulOptionsT(), centred, centred)
    epsilon = low.numbers("epsilon", np.array(attribute(node, "epsilon", 1e-5), np.float32))
    variance = steps.mean(square, places)
    shifted = steps.combine(BUILTIN.ADD, schema.AddOptionsT(), variance, epsilon)
    root = steps.inverse_root(shifted)
    result = steps.combine(BUILTIN.MUL, schema.MulOptionsT(), centred, root)
    for value, code, options in (
        (scale, BUILTIN.MUL, schema.MulOptionsT()),
        (rest[0] if rest else None, BUILTIN.ADD, schema.AddOptionsT()),
    ):
        if value is not None:
            operand = _operand(low, node, value, after, order)
            result = steps.combine(code, options, result, operand)
    low.take_over(node.outputs[0], result, order)


def _operand(
    low: Lowering, node: ir.Node, value: ir.Value, after: int, order: Sequence[int]
) -> int:
    array = constant(value)
    if array is None:
        raise low.refuse(node, "its scale or offset is computed, expected constants")
    shape = (*array.shape, *[1] * after)
    wide = array.reshape((1,) * (len(order) - len(shape)) + shape)
    return low.weight(str(value.name), wide.transpose(order).astype(np.float32))


OPERATORS: Mapping[str, Operator] = {
    "LayerNormalization": Operator(normalise_layer, never),
    "InstanceNormalization": Operator(normalise_instance, never),
}
