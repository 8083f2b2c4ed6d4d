"""Groups of a network's output channels, for the manifest: range, and full scale by the graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, extent
from edgecnn_runtime.manifest import ChannelGroup
from edgecnn_runtime.parity.channels import range_of, runs
from edgecnn_runtime.parity.difference import Answer, find_groups

# Their output is one of the values of their first input, or a mean of some.
KEEPING = frozenset(
    {
        *("AveragePool", "Dropout", "Expand", "Flatten", "Gather", "GlobalAveragePool"),
        *("GlobalMaxPool", "Identity", "MaxPool", "ReduceMax", "ReduceMean", "ReduceMin"),
        *("Reshape", "Slice", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
    }
)
# Largest magnitude of what they answer.
BOUNDED = {"HardSigmoid": 1.0, "Sigmoid": 1.0, "Tanh": 1.0}


def output_groups(
    model: ir.Model, answers: Iterable[Answer]
) -> dict[str, tuple[ChannelGroup, ...]]:
    """The groups of each output's channels: of one meaning by the graph, else of like range.

    Channels that one function bounds alike are one group: the score of a class that is not in the
    pictures is small by chance.

    Args:
        answers: the original's outputs, as its own references.
    """
    outputs = {str(value.name): value for value in model.graph.outputs}
    found = {}
    for name, groups in find_groups(answers).items():
        own = [
            replace(group, full_scale=full_scale(outputs.get(name), _channels(group)))
            for group in groups
        ]
        bounded = {
            each.full_scale: _joined(own, each.full_scale) for each in own if each.full_scale
        }
        found[name] = tuple(
            dict.fromkeys(
                each if each.full_scale is None else bounded[each.full_scale] for each in own
            )
        )
    return found


def _joined(groups: Sequence[ChannelGroup], scale: float | None) -> ChannelGroup:
    """The groups of one full scale as one."""
    own = [group for group in groups if group.full_scale == scale]
    indices = sorted(index for group in own for index in range_of(group))
    low, high = min(group.low for group in own), max(group.high for group in own)
    return replace(own[0], channels=runs(indices), low=low, high=high)


@dataclass(frozen=True)
class Channels:
    """Indices of some channels along one axis of a value."""

    axis: int
    indices: frozenset[int]


def _channels(group: ChannelGroup) -> Channels | None:
    return None if group.axis is None else Channels(group.axis, frozenset(range_of(group)))


def full_scale(value: ir.Value | None, channels: Channels | None = None) -> float | None:
    """Largest magnitude that the graph lets through; None without a bound.

    An error is held to it where the values themselves are next to nothing: a detector answers
    1e-7 everywhere where there is nothing to detect. Of a Softmax over n it is 1/n.

    Args:
        channels: of the value; None takes all.
    """
    node = None if value is None else value.producer()
    if node is None or node.domain != "":
        return None
    if node.op_type in BOUNDED:
        return BOUNDED[node.op_type]
    if node.op_type == "Softmax":
        return _share(node)
    if node.op_type == "Concat":
        parts = [full_scale(each) for each in _parts(node, channels)]
        # The smallest, where parts differ: boxes in pixels excuse no score.
        known = [each for each in parts if each is not None]
        return min(known) if known and len(known) == len(parts) else None
    if node.op_type == "Mul":
        return _scaled(node)
    if node.op_type == "Transpose" and channels is not None:
        order = node.attributes.get_ints("perm", [])
        moved = replace(channels, axis=order[channels.axis]) if order else None
        return full_scale(node.inputs[0], moved)
    return full_scale(node.inputs[0]) if node.op_type in KEEPING else None


def _parts(node: ir.Node, channels: Channels | None) -> list[ir.Value | None]:
    """The inputs of a Concat that hold some of the channels; all where that is not known."""
    shape = node.outputs[0].shape
    if channels is None or shape is None:
        return list(node.inputs)
    if node.attributes.get_int("axis", 0) % len(shape) != channels.axis:
        return list(node.inputs)
    parts, first = [], 0
    for value in node.inputs:
        size = None if value is None else extent(value, channels.axis)
        if size is None:
            return list(node.inputs)
        if channels.indices & set(range(first, first + size)):
            parts.append(value)
        first += size
    return parts


def _scaled(node: ir.Node) -> float | None:
    """Of a product with a constant."""
    for value, other in (node.inputs, reversed(node.inputs)):
        factor = constant(other)
        if factor is not None and factor.size:
            own = full_scale(value)
            return None if own is None else own * float(np.abs(factor).max())
    return None


def _share(node: ir.Node) -> float | None:
    shape, axis = node.outputs[0].shape, node.attributes.get_int("axis", -1)
    size = None if shape is None else shape[axis]
    return 1 / size if isinstance(size, int) else None
