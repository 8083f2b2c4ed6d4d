"""A TFLite model written by hand, without the exporter that it is to test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def brightest(
    shape: tuple[int | None, ...],
    axes: tuple[int, int],
    scale: float,
    offset: float,
    *,
    encodings: Sequence[tuple[float, int]] = (),
    signature: bool = True,
) -> bytes:
    """``logits = scale * mean(input, axes) + offset``: MEAN, MUL, ADD, as float32.

    Args:
        shape: of the input; None in front leaves the batch open.
        encodings: (scale, zero point) of input and logits, which are then int8 and stand around
            a DEQUANTIZE and a QUANTIZE.
        signature: the model has a signature that names input and output.
    """
    from ai_edge_litert import schema_py_generated as tfl

    model = tfl.ModelT()
    model.version, model.buffers, model.operatorCodes = 3, [tfl.BufferT()], []
    graph = tfl.SubGraphT()
    graph.name, graph.tensors, graph.operators = "main", [], []
    channels = next(n for axis, n in enumerate(shape) if axis > 0 and axis not in axes)
    opens = shape[0] is None

    def tensor(name: str, extents: Sequence[int | None], kind: Any, data: Any = None) -> int:
        made = tfl.TensorT()
        made.name, made.type, made.buffer = name, kind, 0
        made.shape = [extent or 1 for extent in extents]
        if None in extents:
            made.shapeSignature = [-1 if extent is None else extent for extent in extents]
        if data is not None:
            made.buffer = len(model.buffers)
            model.buffers.append(tfl.BufferT())
            model.buffers[-1].data = np.frombuffer(data.tobytes(), np.uint8)
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    def operator(code: int, inputs: list[int], output: int, kind: int = 0, options: Any = 0) -> int:
        made = tfl.OperatorCodeT()
        made.builtinCode = made.deprecatedBuiltinCode = code
        made.version = 1
        one = tfl.OperatorT()
        one.opcodeIndex, one.inputs, one.outputs = len(model.operatorCodes), inputs, [output]
        if kind:
            one.builtinOptionsType, one.builtinOptions = kind, options
        model.operatorCodes.append(made)
        graph.operators.append(one)
        return output

    def encoded(index: int, encoding: tuple[float, int]) -> int:
        quantization = tfl.QuantizationParametersT()
        quantization.scale, quantization.zeroPoint = [encoding[0]], [encoding[1]]
        graph.tensors[index].quantization = quantization
        return index

    ops, options, types = tfl.BuiltinOperator, tfl.BuiltinOptions, tfl.TensorType
    row = (None if opens else shape[0], channels)
    first = tensor("input" if signature else "x", shape, types.INT8 if encodings else types.FLOAT32)
    value = first
    if encodings:
        encoded(first, encodings[0])
        value = operator(ops.DEQUANTIZE, [first], tensor("real", shape, types.FLOAT32))
    constants = [
        tensor("axes", (2,), types.INT32, np.array(axes, np.int32)),
        tensor("scale", (), types.FLOAT32, np.float32(scale)),
        tensor("offset", (), types.FLOAT32, np.float32(offset)),
    ]
    for name, code, constant, kind, chosen in zip(
        ("pooled", "scaled", "sum" if encodings else "logits" if signature else "y"),
        (ops.MEAN, ops.MUL, ops.ADD),
        constants,
        (options.ReducerOptions, options.MulOptions, options.AddOptions),
        (tfl.ReducerOptionsT(), tfl.MulOptionsT(), tfl.AddOptionsT()),
        strict=True,
    ):
        value = operator(code, [value, constant], tensor(name, row, types.FLOAT32), kind, chosen)
    if encodings:
        value = operator(
            ops.QUANTIZE, [value], encoded(tensor("logits", row, types.INT8), encodings[1])
        )
    graph.inputs, graph.outputs, model.subgraphs = [first], [value], [graph]
    if signature:
        model.signatureDefs = [_signature(tfl, first, value)]
    return _packed(model)


def _signature(tfl: Any, first: int, last: int) -> Any:
    made = tfl.SignatureDefT()
    made.signatureKey, made.subgraphIndex = "serving_default", 0
    made.inputs, made.outputs = [tfl.TensorMapT()], [tfl.TensorMapT()]
    made.inputs[0].name, made.inputs[0].tensorIndex = "input", first
    made.outputs[0].name, made.outputs[0].tensorIndex = "logits", last
    return made


def _packed(model: Any) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
