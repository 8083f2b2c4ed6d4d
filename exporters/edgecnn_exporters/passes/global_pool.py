"""Canonical form of global average pooling: GlobalAveragePool."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    constant,
    extent,
    is_dead,
    is_operator,
    maker,
    rank,
    replace_node,
    why_shared,
)
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules


@dataclass(frozen=True)
class Match:
    """The node that ends an average of x over height and width; it keeps them as 1×1, or not."""

    node: ir.Node
    source: ir.Value
    keeps_axes: bool


@dataclass(frozen=True)
class Mean:
    """A ReduceMean of x over known axes, counted from 0."""

    source: ir.Value
    axes: frozenset[int]
    keeps_axes: bool


class CanonicaliseGlobalPool(ir.passes.InPlacePass):
    """Averaging over height and width becomes ``GlobalAveragePool``.

    ``ReduceMean(x, axes = (2, 3))``, axes in any order and sign, as attribute or input, of a 4-D x;
    without kept axes a ``Flatten`` follows · ``ReduceMean(ReduceMean(x))`` of one axis each ·
    ``AveragePool`` whose one window is the whole map, without padding. Left alone: other axes,
    unknown rank or size, axes that are computed, a first mean with a second reader.

    ONNX Runtime keeps its blocked layout through GlobalAveragePool, and leaves it for ReduceMean.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


def _match(node: ir.Node) -> Match | Refusal | None:
    return _match_mean(node) or _match_pool(node)


def _match_mean(node: ir.Node) -> Match | Refusal | None:
    if not is_operator(node, "ReduceMean"):
        return None
    mean = _mean(node)
    if mean is None:
        return Refusal("its axes are computed, or its input has an unknown number of axes")
    if _is_global(mean):
        return Match(node, mean.source, mean.keeps_axes)
    before = maker(mean.source, "ReduceMean")
    joined = _joined(mean, _mean(before)) if before is not None else None
    if before is not None and joined is not None and _is_global(joined):
        if reason := why_shared(before):
            return Refusal(reason)
        return Match(node, joined.source, joined.keeps_axes)
    if rank(mean.source) != 4:
        return None
    axes = ", ".join(map(str, sorted(mean.axes))) or "none"
    return Refusal(f"it averages other axes than 2 and 3: {axes}")


def _is_global(mean: Mean) -> bool:
    return rank(mean.source) == 4 and mean.axes == {2, 3}


def _mean(node: ir.Node) -> Mean | None:
    if not is_operator(node, "ReduceMean"):
        return None
    source = node.inputs[0]
    axes_of_source = rank(source)
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        axes = constant(node.inputs[1])
    else:
        axes = np.array(node.attributes.get_ints("axes", []))
    if source is None or axes is None or axes_of_source is None:
        return None
    counted = frozenset(int(axis) % axes_of_source for axis in axes)
    return Mean(source, counted, bool(node.attributes.get_int("keepdims", 1)))


def _joined(after: Mean, before: Mean | None) -> Mean | None:
    """Two means as one: the mean of equally many means is the mean of all."""
    if before is None or before.keeps_axes != after.keeps_axes:
        return None
    left = [
        axis
        for axis in range(rank(before.source) or 0)
        if before.keeps_axes or axis not in before.axes
    ]
    return Mean(before.source, before.axes | {left[axis] for axis in after.axes}, after.keeps_axes)


def _match_pool(node: ir.Node) -> Match | Refusal | None:
    if not is_operator(node, "AveragePool") or rank(node.inputs[0]) != 4:
        return None
    source = node.inputs[0]
    assert source is not None
    window = list(node.attributes.get_ints("kernel_shape", []))
    sizes = [extent(source, 2), extent(source, 3)]
    if None in sizes:
        return Refusal("the height or width of its input is unknown")
    if window != sizes:
        return None
    padded = any(node.attributes.get_ints("pads", []))
    automatic = node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID")
    if padded or automatic:
        return Refusal("it pads the map that its window covers")
    return Match(node, source, keeps_axes=True)


def _rewrite(graph: ir.Graph, match: Match) -> None:
    source, old = match.source, match.node
    before = old.inputs[0].producer() if old.inputs[0] is not None else None
    pool = ir.node("GlobalAveragePool", [source])
    if match.keeps_axes:
        replace_node(graph, old, pool)
    else:
        pool.outputs[0].type = source.type
        pool.outputs[0].shape = ir.Shape([*list(source.shape or ())[:2], 1, 1])
        pool.metadata_props.update(old.metadata_props)
        pool.name = old.name
        graph.insert_before(old, pool)
        replace_node(graph, old, ir.node("Flatten", [pool.outputs[0]], attributes={"axis": 1}))
    if before is not None and is_dead(before):
        graph.remove(before, safe=True)
