"""Padding of convolutions and pools: SAME or VALID where it is exactly that, else a PAD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.targets.tflite import moving
from edgecnn_exporters.targets.tflite.lowering import BUILTIN, Lowering
from edgecnn_exporters.targets.tflite.nodes import attribute, shape_of
from edgecnn_runtime.arrays import Array

NHWC = (0, 2, 3, 1)
NWC = (0, 2, 1)


@dataclass(frozen=True)
class SlidingWindow:
    """Window of a convolution or pool: kernel, stride, padding; pairs are (height, width).

    Attributes:
        before, after: padding in pixels. `after` is what the output needs, which a rounded-up
            output size (ceil_mode) makes larger than the node's pads, and an unused rest smaller.
    """

    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    image: tuple[int, int]
    output: tuple[int, int]

    @property
    def is_valid(self) -> bool:
        """Whether no window begins or ends outside the image."""
        return not any(self.before) and not any(self.after)

    @property
    def is_same(self) -> bool:
        """Whether TFLite's SAME pads so: outputs for every stride, the odd pixel at the end."""
        return all(
            out == -(-size // stride) and before == max(before + after, 0) // 2
            for out, size, stride, before, after in zip(
                self.output, self.image, self.strides, self.before, self.after, strict=True
            )
        )

    @property
    def padding(self) -> int | None:
        """``schema.Padding`` of the window; None where neither SAME nor VALID fits."""
        if self.is_valid:
            return int(schema.Padding.VALID)
        return int(schema.Padding.SAME) if self.is_same else None


def window_of(low: Lowering, node: ir.Node, kernel: Sequence[int]) -> SlidingWindow:
    """The window of a Conv or a pool over an image, or over a line of that width.

    Raises:
        UnsupportedModel: it has more axes than two.
    """
    source = node.inputs[0]
    assert source is not None
    if len(kernel) not in (1, 2):
        raise low.refuse(node, f"its window has {len(kernel)} axes, expected 2 (height and width)")
    missing = 2 - len(kernel)
    one, none = [1] * missing, [0] * missing
    kernel = [*one, *kernel]
    image = (*one, *shape_of(source)[2:])
    output = (*one, *shape_of(node.outputs[0])[2:])
    strides = one + attribute(node, "strides", [1, 1][missing:])
    dilations = one + attribute(node, "dilations", [1, 1][missing:])
    pads = none + attribute(node, "pads", [0, 0, 0, 0])
    before, after = [], []
    for axis in (0, 1):
        reach = (output[axis] - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1
        total = reach - image[axis]
        first = _first(node, max(total, 0), pads[axis])
        before.append(first)
        after.append(max(total - first, 0))
    return SlidingWindow(
        (kernel[0], kernel[1]),
        (strides[0], strides[1]),
        (dilations[0], dilations[1]),
        (before[0], before[1]),
        (after[0], after[1]),
        (image[0], image[1]),
        (output[0], output[1]),
    )


def _first(node: ir.Node, total: int, explicit: int) -> int:
    """The padding before the image, of the whole padding `total`."""
    automatic = attribute(node, "auto_pad", "NOTSET")
    if automatic == "SAME_UPPER":
        return total // 2
    if automatic == "SAME_LOWER":
        return total - total // 2
    return 0 if automatic == "VALID" else explicit


def padded(
    low: Lowering, node: ir.Node, window: SlidingWindow, fill: Array | None = None, *, integer: bool
) -> tuple[int, int]:
    """The image padded where neither SAME nor VALID does it, and the padding of the operator.

    Args:
        fill: what is padded with, a number of the tensor's type; None for zero.

    Returns:
        The tensor, and ``schema.Padding``.
    """
    source = node.inputs[0]
    assert source is not None
    image = _image(low, source, integer=integer)
    word = window.padding
    if word is not None:
        return image, word
    (top, left), (bottom, right) = window.before, window.after
    widths = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
    return pad(low, image, widths, fill), int(schema.Padding.VALID)


def _image(low: Lowering, source: ir.Value, *, integer: bool) -> int:
    """The tensor as (N, H, W, C); a line as an image of height 1."""
    shape = shape_of(source)
    if len(shape) == len(NHWC):
        return low.read(source, NHWC, integer=integer)
    batch, channels, width = shape
    line = low.read(source, NWC, integer=integer)
    return moving.reshape(low.file, line, [batch, 1, width, channels])


def pad(low: Lowering, tensor: int, widths: Array, fill: Array | None = None) -> int:
    """PAD or PADV2: `widths` (before, after) elements around each axis, zeros by default."""
    shape = [
        size + int(before) + int(after)
        for size, (before, after) in zip(low.file.shape(tensor), widths, strict=True)
    ]
    result = low.file.like(tensor, "padded", shape)
    inputs = [tensor, low.numbers("pads", widths)]
    if fill is None:
        low.file.operator(BUILTIN.PAD, inputs, [result], schema.PadOptionsT())
    else:
        value = low.file.constant_like(tensor, "fill", fill)
        low.file.operator(BUILTIN.PADV2, [*inputs, value], [result], schema.PadV2OptionsT())
    return result
