"""Table of TFLite operators, each translated back to ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.diagnose.tflite.reading import NCHW, Reader, Reading, reals_of
from edgecnn_exporters.diagnose.tflite.windows import (
    conv,
    depthwise,
    fully_connected,
    note_joined,
    pool,
    resize,
)
from edgecnn_runtime.arrays import Array

_B = schema.BuiltinOperator
_A = schema.ActivationFunctionType
OPERATORS = {code: name for name, code in vars(_B).items() if not name.startswith("_")}


def elementwise(kind: str) -> Reader:
    def read(reading: Reading, op: Any, name: str) -> ir.Value:
        rank = len(reading.shape(op.outputs[0]))
        return reading.add(kind, [_operand(reading, i, rank) for i in op.inputs], name)

    return read


def _operand(reading: Reading, index: int, rank: int) -> ir.Value | None:
    shape = reading.shape(index)
    if index not in reading.values and rank == 4 and len(shape) in (1, 4) and shape[-1] > 1:
        order = NCHW if len(shape) == 4 else None
        value = reals_of(reading, index, order)
        if order is None and value is not None and value.const_value is not None:
            return reading.constant(str(value.name), value.const_value.numpy()[:, None, None])
        return value
    return reals_of(reading, index)


def same(kind: str, **attributes: Any) -> Reader:
    """Reader of an operator of one input that ONNX has too."""

    def read(reading: Reading, op: Any, name: str) -> ir.Value:
        return reading.add(kind, [reals_of(reading, op.inputs[0])], name, **attributes)

    return read


def leaky(reading: Reading, op: Any, name: str) -> ir.Value:
    alpha = float(op.builtinOptions.alpha)
    return reading.add("LeakyRelu", [reals_of(reading, op.inputs[0])], name, alpha=alpha)


def gelu(reading: Reading, op: Any, name: str) -> ir.Value:
    how = "tanh" if op.builtinOptions.approximate else "none"
    return reading.add("Gelu", [reals_of(reading, op.inputs[0])], name, approximate=how)


def clip(low: float, high: float) -> Reader:
    def read(reading: Reading, op: Any, name: str) -> ir.Value:
        return clipped(reading, reals_of(reading, op.inputs[0]), low, high, name)

    return read


def clipped(
    reading: Reading, source: ir.Value | None, low: float, high: float, name: str
) -> ir.Value:
    bounds = [reading.constant(f"{name}.{b:g}", np.array(b, np.float32)) for b in (low, high)]
    return reading.add("Clip", [source, *bounds], name)


def pad(reading: Reading, op: Any, name: str) -> ir.Value:
    amounts = reading.stored(op.inputs[1])
    assert amounts is not None
    fill = reading.stored(op.inputs[2]) if len(op.inputs) > 2 else None
    rows = amounts[list(NCHW)] if len(amounts) == 4 else amounts
    onnx_pads = np.concatenate([rows[:, 0], rows[:, 1]]).astype(np.int64)
    inputs: list[ir.Value | None] = [
        reals_of(reading, op.inputs[0]), reading.constant(f"{name}.pads", onnx_pads),
    ]  # fmt: skip
    if fill is not None:
        inputs.append(reading.constant(f"{name}.value", fill.astype(np.float32).reshape(())))
    value = reading.add("Pad", inputs, name)
    node = value.producer()
    if node is not None and len(rows) == 4 and not rows[:2].any():
        spatial = [*rows[2:, 0], *rows[2:, 1]]
        node.metadata_props["margins"] = ",".join(map(str, spatial))
    return value


def mean(kind: str, whole: str | None) -> Reader:
    def read(reading: Reading, op: Any, name: str) -> ir.Value:
        axes = sorted(int(a) for a in np.ravel(_needed(reading.stored(op.inputs[1]))))
        source, keep = reals_of(reading, op.inputs[0]), bool(op.builtinOptions.keepDims)
        is_image = len(reading.shape(op.inputs[0])) == 4
        if whole is not None and is_image and axes == [1, 2]:
            pooled_name = f"{name}.pooled" if not keep else name
            pooled = reading.add(whole, [source], pooled_name)
            return pooled if keep else reading.add("Flatten", [pooled], name, axis=1)
        if is_image:
            axes = [(0, 2, 3, 1)[axis] for axis in axes]
        wanted = reading.constant(f"{name}.axes", np.array(axes, np.int64))
        return reading.add(kind, [source, wanted], name, keepdims=int(keep))

    return read


def _needed(array: Array | None) -> Array:
    assert array is not None
    return array


def softmax(reading: Reading, op: Any, name: str) -> ir.Value:
    axis = 1 if len(reading.shape(op.inputs[0])) == 4 else -1
    return reading.add("Softmax", [reals_of(reading, op.inputs[0])], name, axis=axis)


def concat(reading: Reading, op: Any, name: str) -> ir.Value:
    axis, rank = op.builtinOptions.axis, len(reading.shape(op.outputs[0]))
    axis %= rank
    if rank == 4:
        axis = (0, 2, 3, 1)[axis]
    return reading.add("Concat", [reals_of(reading, i) for i in op.inputs], name, axis=axis)


def reshape(reading: Reading, op: Any, name: str) -> ir.Value:
    """Flatten for an image to a row, in ONNX's order; else Reshape in TFLite's order."""
    source, into = reals_of(reading, op.inputs[0]), reading.shape(op.outputs[0])
    shape = reading.shape(op.inputs[0])
    if len(shape) == 4 and len(into) == 2 and shape[0] == into[0]:
        note_joined(reading, op)
        return reading.add("Flatten", [source], name, axis=1)
    if len(shape) == 4:
        source = reading.add("Transpose", [source], f"{name}.nhwc", perm=[0, 2, 3, 1])
    wanted = reading.constant(f"{name}.shape", np.array([0, *into[1:]], np.int64))
    reshaped = reading.add("Reshape", [source, wanted], name)
    if len(into) == 4:
        reshaped.name = f"{name}.nhwc"
        return reading.add("Transpose", [reshaped], name, perm=[0, 3, 1, 2])
    return reshaped


READERS: Mapping[int, Reader] = {
    _B.CONV_2D: conv,
    _B.DEPTHWISE_CONV_2D: depthwise,
    _B.FULLY_CONNECTED: fully_connected,
    _B.MAX_POOL_2D: pool("MaxPool"),
    _B.AVERAGE_POOL_2D: pool("AveragePool"),
    _B.ADD: elementwise("Add"),
    _B.SUB: elementwise("Sub"),
    _B.MUL: elementwise("Mul"),
    _B.DIV: elementwise("Div"),
    _B.MAXIMUM: elementwise("Max"),
    _B.MINIMUM: elementwise("Min"),
    _B.RELU: same("Relu"),
    _B.RELU6: clip(0.0, 6.0),
    _B.RELU_N1_TO_1: clip(-1.0, 1.0),
    _B.RELU_0_TO_1: clip(0.0, 1.0),
    _B.LEAKY_RELU: leaky,
    _B.LOGISTIC: same("Sigmoid"),
    _B.TANH: same("Tanh"),
    _B.HARD_SWISH: same("HardSwish"),
    _B.ELU: same("Elu"),
    _B.GELU: gelu,
    _B.SOFTMAX: softmax,
    _B.MEAN: mean("ReduceMean", "GlobalAveragePool"),
    _B.REDUCE_MAX: mean("ReduceMax", "GlobalMaxPool"),
    _B.SUM: mean("ReduceSum", None),
    _B.PAD: pad,
    _B.PADV2: pad,
    _B.CONCATENATION: concat,
    _B.RESHAPE: reshape,
    _B.RESIZE_BILINEAR: resize("linear"),
    _B.RESIZE_NEAREST_NEIGHBOR: resize("nearest"),
    _B.DEQUANTIZE: same("Identity"),
}
ACTIVATIONS: Mapping[int, tuple[float, float] | None] = {
    _A.RELU: None,
    _A.RELU6: (0.0, 6.0),
    _A.RELU_N1_TO_1: (-1.0, 1.0),
}
