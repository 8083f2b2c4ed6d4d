"""Padding with minus infinity before a MaxPool, as the MaxPool's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    constant,
    is_operator,
    is_set,
    maker,
    rank,
    scalar,
    take_out,
    why_shared,
)
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules

LOWEST = float(np.finfo(np.float32).min)


@dataclass(frozen=True)
class _Match:
    """A MaxPool, the Pad before it, and the pads of both together."""

    pool: ir.Node
    pad: ir.Node
    pads: list[int]


class JoinPadToMaxPool(ir.passes.InPlacePass):
    """``MaxPool(Pad(x, -inf))`` becomes ``MaxPool(x)`` with these pads, which never win either.

    The same for a Pad with the least float32. TensorFlow's padding is written so where it is more
    at the end than at the beginning. Left alone: any other constant, pads of other axes than the
    pool's, pads that take away or are as large as the kernel, ``ceil_mode`` and ``auto_pad``, a
    pool whose indices are read, and a Pad with a second reader.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


def _match(node: ir.Node) -> _Match | Refusal | None:
    pad = maker(node.inputs[0], "Pad") if is_operator(node, "MaxPool") else None
    fill = scalar(pad.inputs[2]) if pad is not None and len(pad.inputs) > 2 else None
    if pad is None or fill is None or fill > LOWEST:
        return None
    if pad.attributes.get_string("mode", "constant") != "constant":
        return None
    if shared := why_shared(pad):
        return Refusal(shared)
    if len(node.outputs) > 1:
        return Refusal("its indices are read")
    if is_set(node, "ceil_mode"):
        return Refusal("it rounds its size up")
    if node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        return Refusal("it pads by itself, by the size of what it reads")
    return _with_pads(node, pad)


def _with_pads(pool: ir.Node, pad: ir.Node) -> _Match | Refusal:
    kernel = list(pool.attributes.get_ints("kernel_shape", []))
    size = rank(pad.inputs[0]) or 2 + len(kernel)
    amounts = _amounts(pad, size)
    if amounts is None:
        return Refusal("the pads before it are computed")
    if min(amounts) < 0 or any(amounts[axis] for axis in (0, 1, size, size + 1)):
        return Refusal("the Pad before it cuts, or pads other axes than height and width")
    own = pool.attributes.get_ints("pads", [0] * (2 * len(kernel)))
    pads = [a + b for a, b in zip((*amounts[2:size], *amounts[size + 2 :]), own, strict=True)]
    # ONNX Runtime wants pads below the kernel, so that no window lies in them alone.
    if any(each >= extent for each, extent in zip(pads, 2 * kernel, strict=True)):
        return Refusal("its kernel is no larger than the pads")
    return _Match(pool, pad, pads)


def _amounts(pad: ir.Node, size: int) -> list[int] | None:
    """Begin of every axis, then end of every axis; None where they are computed."""
    given = constant(pad.inputs[1])
    axes: list[int] = list(range(size))
    if len(pad.inputs) > 3 and pad.inputs[3] is not None:
        chosen = constant(pad.inputs[3])
        if chosen is None:
            return None
        axes = [int(axis) % size for axis in chosen]
    if given is None:
        return None
    amounts = [0] * (2 * size)
    for place, axis in enumerate(axes):
        amounts[axis] = int(given[place])
        amounts[size + axis] = int(given[len(axes) + place])
    return amounts


def _rewrite(graph: ir.Graph, match: _Match) -> None:
    match.pool.attributes["pads"] = ir.AttrInt64s("pads", match.pads)
    match.pool.attributes.pop("auto_pad", None)
    take_out(graph, match.pad)
