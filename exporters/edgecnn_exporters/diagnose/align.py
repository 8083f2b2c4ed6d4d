"""Alignment of the values of two graphs, by name."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_border, is_operator, sole_reader
from edgecnn_runtime.arrays import Array

# Operators that a runtime fuses into the one before: the value between them is never computed.
FUSED = ("Relu", "Clip")


@dataclass(frozen=True)
class Encoding8:
    """QuantizeLinear and DequantizeLinear around a value, by their scales and zero points.

    Both nodes are recorded: a graph may quantise with one zero point and dequantise with another,
    which is a defect.

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
        return self.distance(back)

    @property
    def range(self) -> tuple[float, float]:
        """The reals that the least and the greatest integer stand for."""
        return (
            (self.low - self.zero_point) * self.scale,
            (self.high - self.zero_point) * self.scale,
        )

    def distance(self, other: Encoding8) -> float:
        """Distance of another encoding from this one: 0 where it is the same, else above 1.

        The greater of the ratio of the steps and 1 + the difference of the zero points, each
        counted from the least integer, so that signed and unsigned encodings compare.
        """
        if not (self.scale > 0 and other.scale > 0):
            # A scale of zero, or none at all, holds no value.
            return 0.0 if self == other else float(np.inf)
        between = abs((other.zero_point - other.low) - (self.zero_point - self.low))
        times = other.scale / self.scale
        steps = 0.0 if np.isclose(times, 1.0, rtol=1e-5) else max(times, 1 / times)
        return max(steps, 1.0 + between if between else 0.0)

    def fake_quantise(self, values: Array) -> Array:
        """The values after quantising and dequantising."""
        with np.errstate(divide="ignore", invalid="ignore"):  # a scale of zero is a finding
            steps = np.rint(values / np.float32(self.scale)) + self.zero_point
        integers = np.clip(steps, self.low, self.high).astype(np.float32)
        dequantised: Array = (integers - np.float32(self.back_zero_point)) * np.float32(
            self.back_scale
        )
        return dequantised


@dataclass(frozen=True)
class Point:
    """A value at which a graph can be cut: it exists whatever the runtime fuses.

    Attributes:
        name: the value's name in the float graph.
        computed: name of the node's output.
        read: name of the value that its readers take: `computed`, or the DequantizeLinear's output.
        node: name of the node that computes it; the value's own for an input of the graph.
        operator: type of that node; empty for an input of the graph.
        encoding: of a value in 8 bits.
        declared_scale: that the biases of its readers were quantised with, where it is another.
    """

    name: str
    computed: str
    read: str
    node: str
    operator: str
    encoding: Encoding8 | None = None
    declared_scale: float | None = None


def points_of(model: ir.Model) -> dict[str, Point]:
    """Cut points of a graph, by the value's name in the float graph, in the graph's order."""
    graph = model.graph
    values = [*graph.inputs, *(v for node in graph if not is_border(node) for v in node.outputs)]
    points = [point for value in values if (point := _point(value)) is not None]
    return {point.name: point for point in points}


def align(reference: ir.Model, candidate: ir.Model) -> dict[str, Point]:
    """Cut points of `candidate` whose values `reference` has too, in the order of `candidate`.

    A value that one of the two graphs computes within an operator is left out: everything between
    two aligned values is compared as one region.
    """
    known = points_of(reference)
    return {name: point for name, point in points_of(candidate).items() if name in known}


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
        computed=str(value.name),
        read=str(read.name),
        node=str(name if node is None else node.name),
        operator="" if node is None else node.op_type,
        encoding=None if back is None else _encoding(back),
    )


def _is_fused(value: ir.Value) -> bool:
    reader = sole_reader(value)
    return reader is not None and is_operator(reader, *FUSED)


def _back(value: ir.Value) -> ir.Node | None:
    """The only DequantizeLinear after the only QuantizeLinear that reads a value."""
    to = [u.node for u in value.uses() if u.node.op_type == "QuantizeLinear" and u.idx == 0]
    if len(to) != 1:
        return None
    back = list(to[0].outputs[0].uses())
    is_pair = len(back) == 1 and back[0].idx == 0 and back[0].node.op_type == "DequantizeLinear"
    return back[0].node if is_pair else None


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
