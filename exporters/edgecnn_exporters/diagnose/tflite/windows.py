"""TFLite convolution, pooling, resizing and fully connected layers, translated back to ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.diagnose.tflite.reading import Reader, Reading, encoding_of, reals_of
from edgecnn_exporters.passes.graph import constant

# Weights: OHWI and 1HWO become OIHW.
_OIHW, _FROM_DEPTHWISE = (0, 3, 1, 2), (3, 0, 1, 2)


def conv(reading: Reading, op: Any, name: str) -> ir.Value:
    channels, read = (reading.shape(op.inputs[index])[3] for index in (0, 1))
    return _product(reading, op, name, "Conv", _OIHW, {"group": channels // max(read, 1)})


def depthwise(reading: Reading, op: Any, name: str) -> ir.Value:
    channels = reading.shape(op.inputs[0])[3]
    return _product(reading, op, name, "Conv", _FROM_DEPTHWISE, {"group": channels})


def _product(
    reading: Reading, op: Any, name: str, kind: str, order: tuple[int, ...], more: dict[str, Any]
) -> ir.Value:
    options = op.builtinOptions
    weight = reals_of(reading, op.inputs[1], order)
    kernel = [reading.shape(op.inputs[1])[axis] for axis in order][2:]
    strides = [options.strideH, options.strideW]
    dilations = [options.dilationHFactor, options.dilationWFactor]
    source, margins = _unpadded(reading, op.inputs[0])
    pads = _pads(reading, op, kernel, strides, dilations)
    bias = _bias(reading, op)
    return reading.add(
        kind,
        [source, weight, bias],
        name,
        pads=[a + b for a, b in zip(pads, margins, strict=True)],
        strides=strides,
        dilations=dilations,
        **more,
    )


def _bias(reading: Reading, op: Any) -> ir.Value | None:
    """The bias in the kernel's units, input scale times weight scale.

    No kernel reads the scale that the file has for an int32 bias.
    """
    index = int(op.inputs[2]) if len(op.inputs) > 2 else -1
    stored = reading.stored(index) if index >= 0 else None
    source, weight = (encoding_of(reading.tensor(int(i))) for i in op.inputs[:2])
    if stored is None or stored.dtype != np.int32 or source is None or weight is None:
        return reals_of(reading, index)
    scale = np.broadcast_to(source[0] * weight[0], stored.shape).astype(np.float32)
    name = reading.name(int(op.outputs[0]))
    inputs: list[ir.Value | None] = [
        reading.constant(f"{name}.bias", stored),
        reading.constant(f"{name}.bias.scale", scale),
    ]
    return reading.add("DequantizeLinear", inputs, f"{name}.bias.reals", axis=0)


def _unpadded(reading: Reading, index: int) -> tuple[ir.Value | None, list[int]]:
    """Input and margins of a PAD with zeros; a PAD and a VALID sum are one Conv in ONNX."""
    value = reading.values.get(int(index))
    node = None if value is None else _behind_borders(value).producer()
    if node is None or node.op_type != "Pad" or "margins" not in node.metadata_props:
        return value, [0, 0, 0, 0]
    source = node.inputs[0]
    if value is None or source is None or _numbers(value) != _numbers(source):
        return value, [0, 0, 0, 0]
    return source, [int(n) for n in node.metadata_props["margins"].split(",")]


def _behind_borders(value: ir.Value) -> ir.Value:
    """The value before QuantizeLinear and DequantizeLinear; itself where it has none."""
    back = value.producer()
    to = back.inputs[0].producer() if back is not None and back.inputs[0] is not None else None
    if back is None or to is None or to.op_type != "QuantizeLinear" or to.inputs[0] is None:
        return value
    return to.inputs[0]


def _numbers(value: ir.Value) -> tuple[float, ...] | None:
    """Scale and zero point of a dequantised value; None for any other."""
    node = value.producer()
    if node is None or node.op_type != "DequantizeLinear":
        return None
    return tuple(constant(each).item() for each in node.inputs[1:3])  # type: ignore[union-attr]


def _pads(
    reading: Reading, op: Any, kernel: list[int], strides: list[int], dilations: list[int]
) -> list[int]:
    """ONNX's pads for TFLite's VALID or SAME, whose odd pad comes last."""
    if op.builtinOptions.padding != schema.Padding.SAME:
        return [0, 0, 0, 0]
    before, after = [], []
    for axis in range(2):
        size = reading.shape(op.inputs[0])[1 + axis]
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        total = max((-(-size // strides[axis]) - 1) * strides[axis] + reach - size, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return before + after


def fully_connected(reading: Reading, op: Any, name: str) -> ir.Value:
    weight, bias = reals_of(reading, op.inputs[1]), _bias(reading, op)
    source, fed = reals_of(reading, op.inputs[0]), int(op.inputs[0])
    shape = reading.shape(fed)
    joined = reading.joined.get(fed)
    if len(shape) == 4:  # the operator itself takes an image as a row
        joined = (shape[3], shape[1], shape[2])
        source = reading.add("Flatten", [source], f"{name}.row", axis=1)
    if joined is not None and weight is not None:
        weight = _in_onnx_order(reading, weight, joined)
    return reading.add("Gemm", [source, weight, bias], name, transB=1)


def note_joined(reading: Reading, op: Any) -> None:
    """Record the shape of the image that an operator flattens, if it has several pixels."""
    _, height, width, channels = reading.shape(op.inputs[0])
    if height * width > 1:
        reading.joined[int(op.outputs[0])] = (channels, height, width)


def _in_onnx_order(reading: Reading, weight: ir.Value, joined: tuple[int, int, int]) -> ir.Value:
    """The weight with the columns of the flattened image in the order of NCHW."""
    channels, height, width = joined
    places = np.arange(channels * height * width).reshape(height, width, channels)
    order = places.transpose(2, 0, 1).ravel()
    node = weight.producer()
    initialiser = weight if node is None else node.inputs[0]
    assert initialiser is not None
    assert initialiser.const_value is not None
    array = initialiser.const_value.numpy()
    columns = np.concatenate([order, np.arange(len(order), array.shape[1])])
    other = reading.constant(f"{initialiser.name}.nchw", array[:, columns])
    if node is None:
        return other
    attributes = {name: value.value for name, value in node.attributes.items()}
    return reading.add(node.op_type, [other, *node.inputs[1:]], f"{weight.name}.nchw", **attributes)


def pool(kind: str) -> Reader:
    def read(reading: Reading, op: Any, name: str) -> ir.Value:
        options = op.builtinOptions
        kernel = [options.filterHeight, options.filterWidth]
        strides = [options.strideH, options.strideW]
        pads = _pads(reading, op, kernel, strides, [1, 1])
        source, margins = reading.values[op.inputs[0]], [0, 0, 0, 0]
        if kind == "MaxPool" or not any(pads):
            source, margins = _unpadded(reading, op.inputs[0])  # type: ignore[assignment]
        more = {"count_include_pad": 1} if kind == "AveragePool" and any(margins) else {}
        both = [a + b for a, b in zip(pads, margins, strict=True)]
        return reading.add(
            kind, [source], name, kernel_shape=kernel, strides=strides, pads=both, **more
        )

    return read


# TFLite takes the pixel that a place lies in, from the image's edge; ONNX counts from its centre.
NEAREST = {"asymmetric": "floor", "half_pixel": "round_prefer_ceil"}


def resize(mode: str) -> Reader:
    def read(reading: Reading, op: Any, name: str) -> ir.Value:
        options, size = op.builtinOptions, reading.shape(op.outputs[0])
        how = "asymmetric"
        if options.alignCorners:
            how = "align_corners"
        elif options.halfPixelCenters:
            how = "half_pixel"
        factors = np.array(
            [1.0, 1.0, *(size[a] / reading.shape(op.inputs[0])[a] for a in (1, 2))], np.float32
        )
        inputs = [
            reals_of(reading, op.inputs[0]),
            None,
            reading.constant(f"{name}.scales", factors),
        ]
        more = {}
        if mode == "nearest" and how in NEAREST:
            more = {"nearest_mode": NEAREST[how]}
        return reading.add(
            "Resize", inputs, name, mode=mode, coordinate_transformation_mode=how, **more
        )

    return read
