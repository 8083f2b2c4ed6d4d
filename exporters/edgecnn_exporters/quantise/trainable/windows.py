"""Convolutions and poolings in PyTorch, with the padding that ONNX defines.

Padding must be explicit: what is automatic, or reaches beyond it, is refused (`UnsupportedModel`).
"""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir
import torch
from torch.nn import functional

from edgecnn_exporters.passes.graph import constant, is_set
from edgecnn_exporters.quantise.trainable.operator import TorchFunction, refused

Tensor = torch.Tensor


def conv(node: ir.Node) -> TorchFunction:
    """Conv over one to three axes, as a function of (input, weight, bias)."""
    window = _Window(node)
    convolve = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}[window.axes]
    group = node.attributes.get_int("group", 1)
    pad, padding = window.padding()

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return convolve(pad(x), weight, bias, window.strides, padding, window.dilations, group)

    return run


def conv_transpose(node: ir.Node) -> TorchFunction:
    """ConvTranspose over one to three axes, as a function of (input, weight, bias)."""
    window = _Window(node)
    convolve = {
        1: functional.conv_transpose1d,
        2: functional.conv_transpose2d,
        3: functional.conv_transpose3d,
    }[window.axes]
    if "output_shape" in node.attributes:
        raise refused(node, "its padding follows from output_shape")
    group = node.attributes.get_int("group", 1)
    more = tuple(node.attributes.get_ints("output_padding", [0] * window.axes))

    def run(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        # What ONNX calls padding is cut off the result, and may be unequal on the two sides.
        whole = convolve(x, weight, bias, window.strides, 0, more, group, window.dilations)
        for axis, (begin, end) in enumerate(zip(window.before, window.after, strict=True), 2):
            whole = whole.narrow(axis, begin, whole.shape[axis] - begin - end)
        return whole

    return run


def max_pool(node: ir.Node) -> TorchFunction:
    """MaxPool, padded with minus infinity."""
    if len(node.outputs) > 1:
        raise refused(node, "its indices are read")
    window = _Window(node)
    pool = {1: functional.max_pool1d, 2: functional.max_pool2d, 3: functional.max_pool3d}
    pad, padding = window.padding(float("-inf"), pools=True)

    def run(x: Tensor) -> Tensor:
        return pool[window.axes](pad(x), window.kernel, window.strides, padding, window.dilations)

    return run


def average_pool(node: ir.Node) -> TorchFunction:
    """AveragePool, with the padding counted or left out of the count."""
    window = _Window(node)
    pool = {1: functional.avg_pool1d, 2: functional.avg_pool2d, 3: functional.avg_pool3d}
    if any(dilation != 1 for dilation in window.dilations):
        raise refused(node, "its window is dilated")
    average = pool[window.axes]
    counts_pads = is_set(node, "count_include_pad")

    def run(x: Tensor) -> Tensor:
        sums = average(window.pad(x), window.kernel, window.strides)
        if counts_pads or not window.is_padded:
            return sums
        ones = window.pad(torch.ones_like(x[:1, :1]))
        return sums / average(ones, window.kernel, window.strides)

    return run


class _Window:
    """The window of a convolution or pooling, over the axes behind the channels.

    Raises:
        UnsupportedModel: its padding is automatic, or it reaches beyond the padding.
    """

    def __init__(self, node: ir.Node) -> None:
        known = constant(node.inputs[1]) if len(node.inputs) > 1 else None
        kernel = [] if known is None else list(known.shape[2:])
        self.kernel = tuple(node.attributes.get_ints("kernel_shape", kernel))
        self.axes = len(self.kernel)
        if self.axes not in (1, 2, 3):
            raise refused(node, f"its window has {self.axes} axes, not 1 to 3")
        if node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
            raise refused(node, "its padding is automatic (auto_pad)")
        if is_set(node, "ceil_mode"):
            raise refused(node, "its window reaches beyond the padding (ceil_mode)")
        pads = node.attributes.get_ints("pads", [0] * (2 * self.axes))
        self.before, self.after = tuple(pads[: self.axes]), tuple(pads[self.axes :])
        self.strides = tuple(node.attributes.get_ints("strides", [1] * self.axes))
        self.dilations = tuple(node.attributes.get_ints("dilations", [1] * self.axes))

    @property
    def is_padded(self) -> bool:
        return any((*self.before, *self.after))

    def pad(self, x: Tensor, value: float = 0.0) -> Tensor:
        """The input with its padding around it."""
        return functional.pad(x, torch_pads(self.before, self.after), value=value)

    def padding(
        self, value: float = 0.0, *, pools: bool = False
    ) -> tuple[Callable[[Tensor], Tensor], tuple[int, ...]]:
        """Padding as torch takes it: what is to be put around before, and the operator's own."""
        fits = all(2 * pad <= size for pad, size in zip(self.before, self.kernel, strict=True))
        if self.before == self.after and (fits or not pools):
            return (lambda x: x), self.before
        return (lambda x: self.pad(x, value)), (0,) * self.axes


def torch_pads(before: tuple[int, ...], after: tuple[int, ...]) -> list[int]:
    """Padding as torch lists it: begin and end of each axis, from the last axis on."""
    pairs = list(zip(before, after, strict=True))
    return [side for pair in reversed(pairs) for side in pair]
