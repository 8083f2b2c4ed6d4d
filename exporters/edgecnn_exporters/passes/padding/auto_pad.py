"""Automatic padding becomes explicit padding."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.passes.graph import is_operator
from edgecnn_exporters.passes.padding.windows import WindowAxis, ints, set_pads, window_axes
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules

_WINDOWS = ("Conv", "MaxPool", "AveragePool", "LpPool")


@dataclass(frozen=True)
class Match:
    """A node and the padding of each axis that its ``auto_pad`` or ``output_shape`` stands for.

    Attributes:
        extra: rows and columns that a ConvTranspose adds at the end: ``output_padding``.
    """

    node: ir.Node
    before: tuple[int, ...]
    after: tuple[int, ...]
    extra: tuple[int, ...] = ()


class MakePaddingExplicit(ir.passes.InPlacePass):
    """``auto_pad`` of a convolution or pool becomes ``pads``, and so does ``output_shape``.

    With stride s and a kernel of k pixels, r with the gaps of its dilation, SAME pads
    ``max((ceil(size / s) - 1) s + k - size, 0)`` pixels of Conv, MaxPool, AveragePool and LpPool,
    and ``max(output_padding + r - s, 0)`` of ConvTranspose, half of them before the image;
    SAME_UPPER pads an odd one behind it, SAME_LOWER before. VALID pads none. ConvTranspose's
    ``output_shape`` is reached by ``(size - 1) s + output_padding + r - output_shape`` pixels of
    padding, of which an odd one is before the image but for SAME_UPPER; where they are fewer than
    none, by ``output_padding``.

    Left alone: a kernel, or where it matters an image, of unknown size; SAME of a dilated window
    other than ConvTranspose's, which ONNX Runtime computes in its own way or refuses.

    OpenVINO pads a ConvTranspose at the other side, and takes automatic padding of quantised
    averages for the integer 0; TFLite leaves it out of the count.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


def _match(node: ir.Node) -> Match | Refusal | None:
    is_transposed = is_operator(node, "ConvTranspose")
    if not is_transposed and not is_operator(node, *_WINDOWS):
        return None
    mode = node.attributes.get_string("auto_pad", "NOTSET")
    has_shape = is_transposed and bool(node.attributes.get_ints("output_shape", []))
    if mode == "NOTSET" and not has_shape:
        return None
    axes = window_axes(node)
    if axes is None:
        return Refusal("the size of its kernel is unknown")
    if is_transposed:
        return _transposed(node, axes, mode)
    if mode != "VALID" and any(axis.dilation > 1 for axis in axes):
        # ONNX Runtime (1.32) pads a pool as if its kernel were not dilated, and refuses a Conv.
        return Refusal("ONNX and ONNX Runtime pad a dilated window differently")
    totals = [0 if mode == "VALID" else _same(axis) for axis in axes]
    known = [total for total in totals if total is not None]
    if len(known) < len(totals):
        return Refusal("the size of its image is unknown")
    before = tuple(_before(total, mode) for total in known)
    return Match(node, before, tuple(t - b for t, b in zip(known, before, strict=True)))


def _same(axis: WindowAxis) -> int | None:
    if axis.stride == 1:
        return axis.kernel - 1
    if axis.image is None:
        return None
    outputs = -(-axis.image // axis.stride)
    return max((outputs - 1) * axis.stride + axis.kernel - axis.image, 0)


def _before(total: int, mode: str) -> int:
    return total // 2 if mode == "SAME_UPPER" else total - total // 2


def _transposed(node: ir.Node, axes: tuple[WindowAxis, ...], mode: str) -> Match | Refusal:
    extra = ints(node, "output_padding", [0] * len(axes))
    wanted = ints(node, "output_shape", [])[-len(axes) :]
    totals = []
    for index, axis in enumerate(axes):
        if not wanted:
            rest = extra[index] + axis.reach - axis.stride
            totals.append(max(rest, 0) if mode != "VALID" else 0)
        elif axis.image is None:
            return Refusal("the size of its image is unknown")
        else:
            whole = (axis.image - 1) * axis.stride + extra[index] + axis.reach
            extra[index] += max(wanted[index] - whole, 0)
            totals.append(max(whole - wanted[index], 0))
    before = tuple(_before(total, mode) for total in totals)
    after = tuple(t - b for t, b in zip(totals, before, strict=True))
    return Match(node, before, after, tuple(extra))


def _rewrite(graph: ir.Graph, match: Match) -> None:
    node = match.node
    set_pads(node, match.before, match.after)
    node.attributes.pop("output_shape", None)
    if any(match.extra):
        node.attributes["output_padding"] = ir.AttrInt64s("output_padding", list(match.extra))
