"""Alignment of the values of two graphs, by name."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_border, is_operator, sole_reader
from edgecnn_runtime.arrays import Array

# What a runtime computes within the operator before it: the value between them is never made.
FUSED = ("Relu", "Clip")


@dataclass(frozen=True)
class Encoding8:
    """QuantizeLinear and DequantizeLinear around a value, by their scales and zero points.

    The two ways are told apart: a graph may quantise with one zero point and dequantise with
    another, which is a defect.

    Attributes:
        scale, zero_point: of the QuantizeLinear.
        back_scale, back_zero_point: of the DequantizeLinear.
        low, high: least and greatest integer.
    """

    scale: float
    zero_point: int
    back_scale: float
    back_zero_point: int
    low: int
    high: int

    @property
    def inconsistency(self) -> float:
        """Distance of the DequantizeLinear's encoding from the QuantizeLinear's; 0 if equal."""
        back = replace(self, scale=self.back_scale, zero_point=self.back_zero_point)
        return self.apart(back)

    @property
    def range(self) -> tuple[float, float]:
        """The reals that the least and the greatest integer stand for."""
        return (
            (self.low - self.zero_point) * self.scale,
            (self.high - self.zero_point) * self.scale,
        )

    def apart(self, other: Encoding8) -> float:
        """Distance of another encoding from this one: 0 where it is the same, else above 1.

        The ratio of the steps, or one and the integers between the zero points, where signed and
        unsigned integers are counted from the least one.
        """
        between = abs((other.zero_point - other.low) - (self.zero_point - self.low))
        times = other.scale / self.scale
        steps = 0.0 if np.isclose(times, 1.0, rtol=1e-5) else max(times, 1 / times)
        return max(steps, 1.0 + between if between else 0.0)

    def hold(self, values: Array) -> Array:
        """`values`, quantised and dequantised."""
        steps = np.rint(values / np.float32(self.scale)) + self.zero_point
        integers = np.clip(steps, self.low, self.high).astype(np.float32)
        held: Array = (integers - np.float32(self.back_zero_point)) * np.float32(self.back_scale)
        return held


@dataclass(frozen=True)
class Point:
    """A value of a graph where it can be cut: it exists whatever the runtime fuses.

    Attributes:
        name: what the value is called in the float graph.
        made: the value that the node puts out.
        read: the value that the readers see: `made`, or what comes back of it from 8 bits.
        node: name of the node that makes it; the value's own for an input of the graph.
        encoding: of a value that is held in 8 bits.
    """

    name: str
    made: str
    read: str
    node: str
    operator: str
    encoding: Encoding8 | None = None


def points_of(model: ir.Model) -> dict[str, Point]:
    """Cut points of a graph, by the value's name in the float graph, in the graph's order."""
    graph = model.graph
    made = [*graph.inputs, *(v for node in graph if not is_border(node) for v in node.outputs)]
    found = [point for value in made if (point := _point(value)) is not None]
    return {point.name: point for point in found}


def align(reference: ir.Model, suspect: ir.Model) -> dict[str, Point]:
    """Cut points of `suspect` whose values `reference` has too, in the order of `suspect`.

    A value that one of the graphs computes within an operator is in none: what lies between two
    aligned values is compared as one region.
    """
    known = points_of(reference)
    return {name: point for name, point in points_of(suspect).items() if name in known}


def _point(value: ir.Value) -> Point | None:
    if value.name is None or value.dtype not in (ir.DataType.FLOAT, ir.DataType.FLOAT16, None):
        return None
    back = _back(value)
    if back is None and not value.is_graph_output() and _is_fused(value):
        return None
    read = value if back is None else back.outputs[0]
    # The 8-bit form of an output takes over its name.
    name = read.name if read.is_graph_output() else value.name
    node = value.producer()
    return Point(
        name=str(name),
        made=str(value.name),
        read=str(read.name),
        node=str(name if node is None else node.name),
        operator="" if node is None else node.op_type,
        encoding=None if back is None else _encoding(back),
    )


def _is_fused(value: ir.Value) -> bool:
    reader = sole_reader(value)
    return reader is not None and is_operator(reader, *FUSED)


def _back(value: ir.Value) -> ir.Node | None:
    """The one DequantizeLinear behind the one QuantizeLinear that reads a value."""
    to = [use.node for use in value.uses() if use.node.op_type == "QuantizeLinear"]
    if len(to) != 1:
        return None
    back = [use.node for use in to[0].outputs[0].uses()]
    return back[0] if len(back) == 1 and back[0].op_type == "DequantizeLinear" else None


def _encoding(back: ir.Node) -> Encoding8 | None:
    source = back.inputs[0]
    to = source.producer() if source is not None else None
    if to is None:
        return None
    numbers = [constant(value) for node in (to, back) for value in node.inputs[1:3]]
    if len(numbers) != 4 or any(number is None or number.size != 1 for number in numbers):
        return None
    scale, zero, back_scale, back_zero = (array.item() for array in numbers if array is not None)
    kind = numbers[1].dtype if numbers[1] is not None else np.dtype(np.uint8)
    limits = np.iinfo(kind)
    return Encoding8(scale, int(zero), back_scale, int(back_zero), int(limits.min), int(limits.max))
