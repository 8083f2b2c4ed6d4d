"""Conv and ConvTranspose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.tflite import moving
from edgecnn_exporters.targets.tflite.lowering import BUILTIN, Lowering
from edgecnn_exporters.targets.tflite.nodes import attribute, shape_of
from edgecnn_exporters.targets.tflite.operators.fusing import fuse
from edgecnn_exporters.targets.tflite.operators.operator import Operator
from edgecnn_exporters.targets.tflite.operators.weights import Weight, bias_of, weight_of
from edgecnn_exporters.targets.tflite.operators.windows import NHWC, NWC, padded, window_of
from edgecnn_exporters.targets.tflite.scales import has_product_scales


def convolve(low: Lowering, node: ir.Node, integer: bool) -> None:
    """CONV_2D, grouped or not, or DEPTHWISE_CONV_2D; over a line, as an image of height 1."""
    weight = weight_of(low, node, integer=integer)
    window = window_of(low, node, weight.array.shape[2:])
    is_line = weight.array.ndim == 3
    if is_line:
        weight = replace(weight, array=weight.array[:, :, None])
    image, padding = padded(low, node, window, integer=integer)
    groups = attribute(node, "group", 1)
    channels = low.file.shape(image)[3]
    if groups == channels and groups > 1:
        options, code = schema.DepthwiseConv2DOptionsT(), BUILTIN.DEPTHWISE_CONV_2D
        options.depthMultiplier = weight.array.shape[0] // groups
        # (out, 1, h, w) → (1, h, w, out)
        filters = weight.transposed((1, 2, 3, 0))
    else:
        options, code = schema.Conv2DOptionsT(), BUILTIN.CONV_2D
        filters = weight.transposed((0, 2, 3, 1))
    options.padding = padding
    options.strideH, options.strideW = window.strides
    options.dilationHFactor, options.dilationWFactor = window.dilations
    inputs = [image, filters.write(low), bias_of(low, node, weight, integer=integer)]
    options.fusedActivationFunction, output = fuse(low, node, integer=integer)
    if not is_line:
        low.file.operator(code, inputs, [low.write(output, NHWC, integer=integer)], options)
        return
    batch, channels, width = shape_of(output)
    encoding = low.encoding(output) if integer else None
    image = low.temporary(f"{output.name}.image", [batch, 1, width, channels], encoding)
    low.file.operator(code, inputs, [image], options)
    line = moving.reshape(low.file, image, [batch, width, channels])
    low.take_over(output, line, NWC, integer=integer)


def convolve_transposed(low: Lowering, node: ir.Node, integer: bool) -> None:
    """TRANSPOSE_CONV of every group, and a SLICE where its padding is not TFLite's SAME.

    Without padding the output is ``(in - 1) * stride + kernel`` long; ONNX's pads cut it at both
    ends, and output_padding adds to the end what the bias alone fills.
    """
    weight = weight_of(low, node, integer=integer)
    if weight.array.ndim != 4:
        raise low.refuse(node, "only two-dimensional convolutions have a kernel")
    weight = weight.dilated(attribute(node, "dilations", [1, 1]))
    source, groups = node.inputs[0], attribute(node, "group", 1)
    assert source is not None
    image = low.read(source, NHWC, integer=integer)
    if groups == 1:
        # (in, out, h, w) → (out, h, w, in)
        result = _one_transposed(low, node, image, weight.transposed((1, 2, 3, 0)), integer=integer)
    else:
        result = _of_groups(low, node, image, weight, groups, integer=integer)
    low.take_over(node.outputs[0], result, NHWC, integer=integer)


def _one_transposed(
    low: Lowering, node: ir.Node, image: int, filters: Weight, *, integer: bool, group: int = 0
) -> int:
    kernel = filters.array.shape[1:3]
    strides = attribute(node, "strides", [1, 1])
    size, out = low.file.shape(image), shape_of(node.outputs[0])[2:]
    begin = _begins(node, kernel, size[1:3], out)
    totals = [(size[i + 1] - 1) * strides[i] + kernel[i] - out[i] for i in (0, 1)]
    is_same = all(
        out[i] == size[i + 1] * strides[i] and totals[i] >= 0 and begin[i] == totals[i] // 2
        for i in (0, 1)
    )
    whole = list(out)
    if not is_same:
        whole = [max(out[i] + begin[i], (size[i + 1] - 1) * strides[i] + kernel[i]) for i in (0, 1)]
    channels = filters.array.shape[0]
    encoding = low.encoding(node.outputs[0]) if integer else None
    shape = [size[0], *whole, channels]
    result = low.temporary(f"{node.outputs[0].name}.sums", shape, encoding)
    options = schema.TransposeConvOptionsT()
    options.padding = schema.Padding.SAME if is_same else schema.Padding.VALID
    options.strideH, options.strideW = strides
    rows = slice(group * channels, (group + 1) * channels)
    bias = bias_of(low, node, filters, integer=integer, rows=rows)
    sizes = low.numbers("shape", np.array(shape, np.int32))
    inputs = [sizes, filters.write(low), image, bias]
    low.file.operator(BUILTIN.TRANSPOSE_CONV, inputs, [result], options)
    if whole == list(out):
        return result
    return moving.cut(low.file, result, [0, *begin, 0], [size[0], *out, channels])


def _begins(
    node: ir.Node, kernel: tuple[int, ...], image: tuple[int, ...], out: tuple[int, ...]
) -> list[int]:
    """Rows and columns that are cut off at the beginning."""
    automatic = attribute(node, "auto_pad", "NOTSET")
    if automatic == "NOTSET" and node.attributes.get("output_shape") is None:
        return list(attribute(node, "pads", [0, 0, 0, 0])[:2])
    strides, extra = attribute(node, "strides", [1, 1]), attribute(node, "output_padding", [0, 0])
    totals = [max((image[i] - 1) * strides[i] + extra[i] + kernel[i] - out[i], 0) for i in (0, 1)]
    if automatic == "SAME_UPPER":
        return [total // 2 for total in totals]
    return [total - total // 2 for total in totals]


def _of_groups(
    low: Lowering, node: ir.Node, image: int, weight: Weight, groups: int, *, integer: bool
) -> int:
    """One TRANSPOSE_CONV for each group: TFLite has no grouped one."""
    parts = moving.split(low.file, image, groups, axis=3)
    share = weight.array.shape[0] // groups
    group_outputs = []
    for group, part in enumerate(parts):
        filters = weight.rows(slice(group * share, (group + 1) * share)).transposed((1, 2, 3, 0))
        group_outputs.append(
            _one_transposed(low, node, part, filters, integer=integer, group=group)
        )
    return moving.join(low.file, group_outputs, axis=3)


def _has_integers(low: Lowering, node: ir.Node) -> bool:
    """Whether the weight is in integers in the QDQ graph, at scales that the kernels know."""
    value = node.inputs[1]
    is_integer = value is not None and constant(value) is not None and low.integers(value)
    return bool(is_integer) and has_product_scales(low, node)


OPERATORS: Mapping[str, Operator] = {
    "Conv": Operator(convolve, _has_integers),
    "ConvTranspose": Operator(convolve_transposed, _has_integers),
}
