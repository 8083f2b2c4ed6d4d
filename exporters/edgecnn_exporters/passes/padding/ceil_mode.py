"""Rounded-up sizes of pools become padding at the end."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.passes.graph import is_operator, is_set
from edgecnn_exporters.passes.padding.windows import (
    WindowAxis,
    pad_image,
    set_pads,
    window_axes,
)
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules


@dataclass(frozen=True)
class Match:
    """A pool of rounded-up size, and the padding with which the rounded-down size is the same.

    Attributes:
        outputs: sizes of the pool's output.
        after: padding at the end of each axis: the pool's own, or as much as the last window needs.
    """

    node: ir.Node
    axes: tuple[WindowAxis, ...]
    outputs: tuple[int, ...]
    after: tuple[int, ...]


class RoundPoolsDown(ir.passes.InPlacePass):
    """``ceil_mode`` of MaxPool, AveragePool and LpPool becomes padding at the end.

    The last window begins inside the image or the padding before it, as in PyTorch and ONNX
    Runtime; onnx's shape inference below opset 22 and OpenVINO count one more that begins behind.
    An average that counts its padding does not count what ceil_mode adds: there a ``Pad`` with
    zeros makes the counted padding part of the image, and what is added is left out. ONNX
    Runtime's integer kernel divides such windows by the whole window, and so does OpenVINO's.

    Left alone: an image of unknown size, and a dilated window that would need as much padding as
    its kernel has rows, which ONNX Runtime refuses.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


def _match(node: ir.Node) -> Match | Refusal | None:
    if not is_operator(node, "MaxPool", "AveragePool", "LpPool") or not is_set(node, "ceil_mode"):
        return None
    if node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return Refusal("its padding is automatic (auto_pad)")
    axes = window_axes(node)
    if axes is None or any(axis.image is None for axis in axes):
        return Refusal("the size of its image is unknown")
    outputs = tuple(map(_outputs, axes))
    after = tuple(_after(axis, count) for axis, count in zip(axes, outputs, strict=True))
    if any(pad >= axis.kernel for axis, pad in zip(axes, after, strict=True)):
        return Refusal("its last dilated window reaches further than padding may")
    if any(pad < 0 for pad in after):
        return Refusal("its padding holds whole windows")
    return Match(node, axes, outputs, after)


def _outputs(axis: WindowAxis) -> int:
    """Windows along an axis, the last of which begins before the end of the image."""
    assert axis.image is not None
    count = -(-(axis.before + axis.image + axis.after - axis.reach) // axis.stride) + 1
    if (count - 1) * axis.stride >= axis.before + axis.image:
        count -= 1
    return count


def _after(axis: WindowAxis, outputs: int) -> int:
    assert axis.image is not None
    padded = axis.before + axis.image + axis.after
    if (padded - axis.reach) // axis.stride + 1 == outputs:
        return axis.after
    return (outputs - 1) * axis.stride + axis.reach - axis.before - axis.image


def _rewrite(graph: ir.Graph, match: Match) -> None:
    node, axes = match.node, match.axes
    node.attributes.pop("ceil_mode")
    own = [axis.after for axis in axes]
    before = [axis.before for axis in axes]
    if not is_operator(node, "AveragePool") or not is_set(node, "count_include_pad"):
        set_pads(node, before, match.after)
    elif list(match.after) != own:
        node.attributes.pop("count_include_pad")
        if any(before) or any(own):
            pad_image(graph, node, before, own)
        added = [after - pad for after, pad in zip(match.after, own, strict=True)]
        set_pads(node, [0] * len(axes), added)
    output = node.outputs[0]
    if output.shape is not None and not output.is_graph_output():
        output.shape = ir.Shape([*output.shape[:2], *match.outputs])
