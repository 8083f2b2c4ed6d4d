"""Operators that move values or repeat them, in PyTorch.

Sizes, axes and ends must be constants: computed ones are refused (`UnsupportedModel`).
"""

from __future__ import annotations

from math import prod

import onnx_ir as ir
import torch
from torch.nn import functional

from edgecnn_exporters.passes.graph import is_set, rank, scalar
from edgecnn_exporters.quantise.trainable.operator import TorchFunction, integers, refused
from edgecnn_exporters.quantise.trainable.windows import torch_pads

Tensor = torch.Tensor


def concat(node: ir.Node) -> TorchFunction:
    """Concat along a fixed axis."""
    axis = node.attributes.get_int("axis", 1)
    return lambda *parts: torch.cat(parts, axis)


def pad(node: ir.Node) -> TorchFunction:
    """Pad by fixed amounts: with a constant, mirrored, or with what lies at the edge."""
    pads, axes = integers(node, 1, "pads"), integers(node, 3)
    source = node.inputs[0]
    count = rank(source) if source is not None else None
    modes = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}
    mode = modes.get(node.attributes.get_string("mode", "constant"))
    fill = 0.0 if len(node.inputs) < 3 or node.inputs[2] is None else scalar(node.inputs[2])
    if pads is None or count is None or mode is None or fill is None or axes is not None:
        raise refused(node, "its padding is computed, or of a mode that torch lacks")
    before, after = pads[:count], pads[count:]
    if mode == "constant":
        return lambda x: functional.pad(x, torch_pads(before, after), value=fill)
    if any((*before[:2], *after[:2])):
        raise refused(node, f"it repeats ({mode}) along another axis than height and width")
    return lambda x: functional.pad(x, torch_pads(before[2:], after[2:]), mode)


def reshape(node: ir.Node) -> TorchFunction:
    """Reshape to fixed sizes."""
    sizes = integers(node, 1)
    if sizes is None:
        raise refused(node, "its shape is computed")
    copies = not is_set(node, "allowzero")

    def run(x: Tensor) -> Tensor:
        return x.reshape(
            [x.shape[i] if copies and size == 0 else size for i, size in enumerate(sizes)]
        )

    return run


def flatten(node: ir.Node) -> TorchFunction:
    """Flatten to two axes."""
    axis = node.attributes.get_int("axis", 1)

    def run(x: Tensor) -> Tensor:
        return x.reshape(prod(x.shape[:axis]), -1)

    return run


def transpose(node: ir.Node) -> TorchFunction:
    """Transpose."""
    axes = node.attributes.get_ints("perm", [])
    return lambda x: x.permute(*(axes or reversed(range(x.ndim))))


def squeeze(node: ir.Node) -> TorchFunction:
    """Squeeze of named axes."""
    axes = integers(node, 1, "axes")
    if axes is None:
        raise refused(node, "it names no axes")
    return lambda x: x.squeeze(axes)


def unsqueeze(node: ir.Node) -> TorchFunction:
    """Unsqueeze at fixed axes."""
    axes = integers(node, 1, "axes")
    if axes is None:
        raise refused(node, "its axes are computed")

    def run(x: Tensor) -> Tensor:
        for axis in sorted(each % (x.ndim + len(axes)) for each in axes):
            x = x.unsqueeze(axis)
        return x

    return run


def cut(node: ir.Node) -> TorchFunction:
    """Slice between fixed ends, forwards."""
    starts, ends = integers(node, 1), integers(node, 2)
    if starts is None or ends is None:
        raise refused(node, "its ends are computed")
    axes = integers(node, 3) or tuple(range(len(starts)))
    steps = integers(node, 4) or (1,) * len(starts)
    if min(steps) < 1:
        raise refused(node, "it goes backwards")
    cuts = dict(zip(axes, map(slice, starts, ends, steps), strict=True))

    def run(x: Tensor) -> Tensor:
        places = {axis % x.ndim: cut for axis, cut in cuts.items()}
        return x[tuple(places.get(axis, slice(None)) for axis in range(x.ndim))]

    return run


def split(node: ir.Node) -> TorchFunction:
    """Split along an axis, to fixed sizes or to equal parts."""
    sizes, axis = integers(node, 1, "split"), node.attributes.get_int("axis", 0)
    count = len(node.outputs)

    def run(x: Tensor) -> tuple[Tensor, ...]:
        # The last part is the smaller one where they cannot be equal.
        each = -(-x.shape[axis] // count)
        return torch.split(x, each if sizes is None else list(sizes), axis)

    return run
