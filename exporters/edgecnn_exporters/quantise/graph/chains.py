"""Pairs of consecutive Conv or Gemm layers, the second the only reader of the first."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_operator, rank, sole_reader
from edgecnn_exporters.quantise.graph.eligible import refusal
from edgecnn_runtime.arrays import Array, Float32

SUMS = ("Conv", "Gemm")
# Operators over height and width, each channel by itself.
SPATIAL = ("AveragePool", "Flatten", "GlobalAveragePool", "MaxPool", "Pad")

# The reason why a node blocks a rewrite that carries a factor from the first sum to the second.
Obstacle = Callable[[ir.Node], str | None]


@dataclass(frozen=True)
class Pair:
    """A sum, the next one, and the nodes between; each has the one after it as its sole reader."""

    first: ir.Node
    second: ir.Node
    between: tuple[ir.Node, ...]

    @property
    def values(self) -> tuple[str, ...]:
        """Names of the values on the way from the first to the second."""
        return tuple(str(node.outputs[0].name) for node in (self.first, *self.between))


@dataclass(frozen=True)
class Refused:
    """A Conv or Gemm that is not in a pair: its name, and why."""

    first: str
    reason: str


def neighbours(
    graph: ir.Graph, obstacle: Obstacle, fixed: Collection[str] = ()
) -> Iterator[Pair | Refused]:
    """For every sum its pair with the next one, or why it has none; in the graph's order.

    A channel of the first is one input channel of the second, or one block of its columns where a
    Flatten of (N, C, H, W) stands between.

    Args:
        fixed: names of sums that are in no pair: what they read and their weights stay.
    """
    for node in graph:
        if is_operator(node, *SUMS):
            found = _follow(node, obstacle)
            is_fixed = isinstance(found, Pair) and not {
                str(found.first.name),
                str(found.second.name),
            }.isdisjoint(fixed)
            yield Refused(str(node.name), "a device learns its weight") if is_fixed else found
        elif is_operator(node, "ConvTranspose"):
            yield Refused(str(node.name), "the weight of a ConvTranspose lies the other way round")


def _follow(first: ir.Node, obstacle: Obstacle) -> Pair | Refused:
    name = str(first.name)
    if reason := refusal(first):
        return Refused(name, reason)
    between: list[ir.Node] = []
    value = first.outputs[0]
    while (reader := sole_reader(value)) is not None:
        stopped = _stop(reader, value, obstacle)
        if stopped is not None:
            return Refused(name, f"{describe(reader)}: {stopped}")
        if is_operator(reader, *SUMS):
            return Pair(first, reader, tuple(between))
        between.append(reader)
        value = reader.outputs[0]
    return Refused(name, _why_not_alone(value))


def _stop(reader: ir.Node, value: ir.Value, obstacle: Obstacle) -> str | None:
    if is_operator(reader, *SUMS):
        # A weight or a bias that is computed from `value` is refused here too.
        return refusal(reader)
    if reason := obstacle(reader):
        return reason
    return None if reader.inputs[0] is value else f"it reads {value.name} as a parameter"


def _why_not_alone(value: ir.Value) -> str:
    readers = list(dict.fromkeys(use.node for use in value.uses()))
    if value.is_graph_output():
        return f"{value.name} is an output of the graph"
    for gate in readers:
        product = sole_reader(gate.outputs[0])
        if product is None or product not in readers or not is_operator(product, "Mul"):
            continue
        if is_operator(gate, "Sigmoid", "HardSigmoid"):
            activation = "SiLU" if gate.op_type == "Sigmoid" else "HardSwish"
            return f"{describe(product)}: it ends {activation}, x times {gate.op_type}(x)"
    names = ", ".join(describe(reader) for reader in readers)
    return f"{value.name} has not one reader but {names or 'none'}"


def spatial_obstacle(node: ir.Node) -> str | None:
    """Why an operator of `SPATIAL` does not scale each channel with its input; None if it does."""
    if reason := refusal(node):
        return reason
    if is_operator(node, "Flatten") and node.attributes.get_int("axis", 1) != 1:
        return "it joins other axes than those behind the batch"
    return _pad_obstacle(node) if is_operator(node, "Pad") else None


def _pad_obstacle(node: ir.Node) -> str | None:
    amounts = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if amounts is None:
        return "its pads are computed"
    axes: list[int] = list(range(len(amounts) // 2))
    if len(node.inputs) > 3 and node.inputs[3] is not None:
        given, size = constant(node.inputs[3]), rank(node.inputs[0])
        if given is None or size is None:
            return "its axes are unknown"
        axes = [int(axis) % size for axis in given]
    before, after = amounts.reshape(2, -1)
    padded = {axes[index] for index in np.flatnonzero((before != 0) | (after != 0))}
    return "it adds or takes away channels" if 1 in padded else None


def pads_with_zeros(node: ir.Node) -> bool:
    """Whether a Conv or a pooling may reach over the edge of its input."""
    automatic = node.attributes.get_string("auto_pad", "NOTSET")
    return any(node.attributes.get_ints("pads", [])) or automatic not in ("NOTSET", "VALID")


def weight_of(node: ir.Node) -> Array:
    """The weight of a sum that is in a pair: (out, in / group, …)."""
    weight = constant(node.inputs[1])
    assert weight is not None
    return weight


def bias_of(node: ir.Node) -> Array | None:
    """The bias of a sum that is in a pair: (out,)."""
    return constant(node.inputs[2]) if len(node.inputs) > 2 else None


def by_channel(node: ir.Node, channels: int) -> Array:
    """A sum's weight as (groups, out / groups, channels / groups, rest).

    The rest is the kernel, or what a Flatten before it makes of one of the `channels`.
    """
    weight = weight_of(node)
    groups = node.attributes.get_int("group", 1)
    return weight.reshape(groups, len(weight) // groups, channels // groups, -1)


def measured(statistics: Mapping[str, Float32], pair: Pair) -> Float32 | None:
    """Measured statistics of each output channel of the first sum, (C,); None if nothing was.

    Raises:
        ValueError: it is not one number for each channel.
    """
    name, channels = str(pair.first.outputs[0].name), len(weight_of(pair.first))
    values = statistics.get(name)
    if values is not None and (values.shape != (channels,) or np.isnan(values).any()):
        raise ValueError(
            f"of {name} {values.shape} numbers were measured, expected ({channels},) without NaN; "
            "measure one for each output channel"
        )
    return values


def describe(node: ir.Node) -> str:
    """Operator and name, for a reason."""
    return f"{node.op_type} {node.name}"
