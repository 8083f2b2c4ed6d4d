"""Weights and biases of layers, in float or as the integers of the QDQ graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.tflite.lowering import Lowering
from edgecnn_runtime.arrays import Array


@dataclass(frozen=True)
class Weight:
    """The weight of a layer.

    Attributes:
        scale: of int8, () or (channels,) along `axis`; None of float.
        axis: of the output channels.
    """

    name: str
    array: Array
    scale: Array | None
    axis: int

    def transposed(self, order: Sequence[int]) -> Weight:
        """The weight with its axes in the order that a kernel wants."""
        return replace(self, array=self.array.transpose(order), axis=list(order).index(self.axis))

    def columns(self, order: Array) -> Weight:
        """A fully connected weight (out, in) whose inputs come in another order."""
        return replace(self, array=self.array[:, order])

    def rows(self, which: slice) -> Weight:
        """The weight of some output channels, of the first axis."""
        return replace(self, name=f"{self.name}.{which.start}", array=self.array[which])

    def dilated(self, dilations: Sequence[int]) -> Weight:
        """The weight (…, h, w) with zeros between the elements, for kernels without dilation."""
        if all(step == 1 for step in dilations):
            return self
        *others, height, width = self.array.shape
        rows, columns = dilations
        shape = (*others, (height - 1) * rows + 1, (width - 1) * columns + 1)
        wide = np.zeros(shape, self.array.dtype)
        wide[..., ::rows, ::columns] = self.array
        return replace(self, array=wide)

    def times(self, factor: float) -> Weight:
        """A float weight, every element multiplied by a factor."""
        return self if factor == 1.0 else replace(self, array=self.array * np.float32(factor))

    def write(self, low: Lowering) -> int:
        """Write the weight as a constant, and return its tensor."""
        if self.scale is None:
            return low.weight(self.name, self.array)
        return low.integer_weight(self.name, self.array, self.scale, axis=self.axis)


def weight_of(low: Lowering, node: ir.Node, *, integer: bool) -> Weight:
    """The weight of a layer, its second input.

    Raises:
        UnsupportedModel: it is computed.
    """
    value = node.inputs[1]
    array = constant(value)
    if value is None or array is None:
        raise low.refuse(node, "its weight is computed, expected a constant")
    integers = low.integers(value) if integer else None
    if integers is None:
        return Weight(str(value.name), array.astype(np.float32, copy=False), None, 0)
    if integers.array.dtype != np.int8 or integers.zero_point != 0:
        raise low.refuse(
            node,
            f"its weight is {integers.array.dtype} with zero point {integers.zero_point}, TFLite's "
            "are int8 with 0; quantise the float network with edgecnn export --quantize int8",
        )
    axis = integers.axis if integers.scale.ndim else 0
    return Weight(str(value.name), integers.array, integers.scale, axis)


def bias_of(
    low: Lowering,
    node: ir.Node,
    weight: Weight,
    *,
    integer: bool,
    rows: slice | None = None,
    factor: float = 1.0,
) -> int:
    """The bias of a layer, its third input; zeros where it has none, as kernels need one.

    Args:
        rows: the channels that are wanted, of a layer that is written in parts.
        factor: of a float bias.
    """
    value = node.inputs[2] if len(node.inputs) > 2 else None
    name = f"{node.name}.bias" if value is None else str(value.name)
    channels = weight.array.shape[weight.axis] if rows is None else rows.stop - rows.start
    chosen = rows or slice(None)
    if not integer:
        array = constant(value)
        if value is not None and array is None:
            raise low.refuse(node, "its bias is computed, expected a constant")
        if array is None:
            return low.weight(name, np.zeros(channels, np.float32))
        row = array.reshape(-1).astype(np.float32)
        row = row if rows is not None else np.broadcast_to(row, (channels,))
        return low.weight(name, row[chosen] * np.float32(factor))
    assert weight.scale is not None
    integers = low.integers(value) if value is not None else None
    if integers is not None:
        scale = integers.scale[chosen] if integers.scale.ndim else integers.scale
        return low.integer_weight(name, integers.array[chosen], scale)
    assert node.inputs[0] is not None
    units = np.float32(low.encoding(node.inputs[0]).scale) * weight.scale
    scale = np.asarray(units, np.float32)
    return low.integer_weight(name, np.zeros(channels, np.int32), scale)
