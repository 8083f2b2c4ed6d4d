"""Max and average pooling, local and global."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.targets.tflite.activations import clip_bounds
from edgecnn_exporters.targets.tflite.lowering import BUILTIN, Lowering
from edgecnn_exporters.targets.tflite.nodes import attribute, shape_of
from edgecnn_exporters.targets.tflite.operators.operator import Operator
from edgecnn_exporters.targets.tflite.operators.windows import (
    NHWC,
    SlidingWindow,
    padded,
    window_of,
)
from edgecnn_runtime.arrays import Array


def pool_maximum(low: Lowering, node: ir.Node, integer: bool) -> None:
    """MAX_POOL_2D, padded with the least number.

    Behind a Relu that is zero, whose PAD XNNPACK computes; PADV2 with a smaller number it does not.
    """
    window = _window(low, node)
    least: Array | None = None
    if not _is_never_negative(low, node, integer=integer):
        smallest = np.int8(-128) if integer else np.float32(np.finfo(np.float32).min)
        least = np.asarray(smallest)
    image, padding = padded(low, node, window, least, integer=integer)
    _pool(low, node, BUILTIN.MAX_POOL_2D, window, (image, padding), integer=integer)


def _is_never_negative(low: Lowering, node: ir.Node, *, integer: bool) -> bool:
    """Whether no pooled value is below zero, by its 8-bit encoding or the activation before it."""
    source = node.inputs[0]
    assert source is not None
    if integer:
        return low.encoding(source).zero_point == 0
    before = source.producer()
    bounds = clip_bounds(before) if before is not None else None
    return bounds is not None and bounds[0] >= 0


def pool_average(low: Lowering, node: ir.Node, integer: bool) -> None:
    """AVERAGE_POOL_2D, whose SAME leaves padding out of the count.

    Where padding counts, the zeros are part of the image. Where it does not, and is not SAME,
    the mean over the whole window is corrected for the part of it that lies outside.
    """
    window = _window(low, node)
    counts = bool(attribute(node, "count_include_pad", 0))
    shares = _shares(node, window, counts=counts)
    if (window.is_same and not counts) or window.is_valid:
        image, padding = padded(low, node, window, integer=integer)
    else:
        image, padding = padded(low, node, _explicit(window), integer=integer)
    if shares is None:
        _pool(low, node, BUILTIN.AVERAGE_POOL_2D, window, (image, padding), integer=integer)
        return
    shape = [1, *window.output, 1]
    factors = low.numbers(f"{node.name}.factors", shares.reshape(shape).astype(np.float32))
    output = node.outputs[0]
    sizes = [shape_of(output)[axis] for axis in NHWC]
    mean = low.temporary(f"{output.name}.mean", sizes, None)
    low.file.operator(BUILTIN.AVERAGE_POOL_2D, [image], [mean], _options(window, padding))
    result = low.write(output, NHWC)
    low.file.operator(BUILTIN.MUL, [mean, factors], [result], schema.MulOptionsT())


def average_globally(low: Lowering, node: ir.Node, integer: bool) -> None:
    """MEAN over height and width."""
    _reduce_globally(low, node, BUILTIN.MEAN, integer=integer)


def maximum_globally(low: Lowering, node: ir.Node, integer: bool) -> None:
    """REDUCE_MAX over height and width."""
    _reduce_globally(low, node, BUILTIN.REDUCE_MAX, integer=integer)


def _reduce_globally(low: Lowering, node: ir.Node, code: int, *, integer: bool) -> None:
    source = node.inputs[0]
    assert source is not None
    if len(shape_of(source)) != 4:
        raise low.refuse(node, "only images with two axes are pooled")
    image = low.read(source, NHWC, integer=integer)
    axes = low.numbers("axes", np.array([1, 2], np.int32))
    options = schema.ReducerOptionsT()
    options.keepDims = True
    result = low.write(node.outputs[0], NHWC, integer=integer)
    low.file.operator(code, [image, axes], [result], options)


def _window(low: Lowering, node: ir.Node) -> SlidingWindow:
    kernel = attribute(node, "kernel_shape", [1, 1])
    if len(kernel) != 2:
        raise low.refuse(node, f"its window has {len(kernel)} axes, expected 2 (height and width)")
    window = window_of(low, node, kernel)
    if window.dilations != (1, 1):
        raise low.refuse(node, "its window is dilated, TFLite's are not")
    return window


def _explicit(window: SlidingWindow) -> SlidingWindow:
    """The window with an output size that SAME never has, so that its padding becomes a PAD."""
    return SlidingWindow(
        window.kernel,
        window.strides,
        window.dilations,
        window.before,
        window.after,
        window.image,
        (0, 0),
    )


def _shares(node: ir.Node, window: SlidingWindow, *, counts: bool) -> Array | None:
    """Corrections (height, width) of the mean over whole windows; None where all are 1."""
    if window.is_valid or (window.is_same and not counts):
        return None
    pads = attribute(node, "pads", [0, 0, 0, 0])
    axis_shares = []
    for axis in (0, 1):
        begins = np.arange(window.output[axis]) * window.strides[axis] - window.before[axis]
        ends = begins + window.kernel[axis]
        # What ceil_mode adds beyond the padding never counts.
        low, high = (
            (-window.before[axis], window.image[axis] + pads[axis + 2])
            if counts
            else (
                0,
                window.image[axis],
            )
        )
        within = np.minimum(ends, high) - np.maximum(begins, low)
        axis_shares.append(window.kernel[axis] / within)
    shares: Array = np.outer(*axis_shares)
    return None if np.all(shares == 1) else shares


def _has_integer_average(low: Lowering, node: ir.Node) -> bool:
    """Whether no correction of the mean is needed: a correction has no encoding."""
    window = _window(low, node)
    return _shares(node, window, counts=bool(attribute(node, "count_include_pad", 0))) is None


def _pool(
    low: Lowering,
    node: ir.Node,
    code: int,
    window: SlidingWindow,
    padded_image: tuple[int, int],
    *,
    integer: bool,
) -> None:
    image, padding = padded_image
    result = low.write(node.outputs[0], NHWC, integer=integer)
    low.file.operator(code, [image], [result], _options(window, padding))


def _options(window: SlidingWindow, padding: int) -> schema.Pool2DOptionsT:
    options = schema.Pool2DOptionsT()
    options.padding = padding
    options.filterHeight, options.filterWidth = window.kernel
    options.strideH, options.strideW = window.strides
    return options


OPERATORS: Mapping[str, Operator] = {
    "MaxPool": Operator(pool_maximum),
    "AveragePool": Operator(pool_average, _has_integer_average),
    "GlobalAveragePool": Operator(average_globally),
    "GlobalMaxPool": Operator(maximum_globally),
}
