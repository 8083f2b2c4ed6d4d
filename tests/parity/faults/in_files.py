"""Faults in the bytes of TFLite files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from parity.faults.networks import Built, segmenter, shipped
from parity.faults.planting import maker_of, pack, parse, store, stored

from edgecnn_exporters.diagnose.causes.case import Cause


@dataclass(frozen=True)
class FileFault:
    """A fault that is planted in the bytes of a good file."""

    title: str
    network: Callable[[], Built]
    precision: str
    plant: Callable[[bytes], bytes]
    node: str
    cause: Cause
    words: str


def _same(content: bytes) -> bytes:
    """SAME in place of the explicit PAD of a strided sum: as many rows, and half of them moved."""
    model = parse(content)
    graph = model.subgraphs[0]
    conv = maker_of(model, "layer2.0.relu")
    pad = next(op for op in graph.operators if op.outputs[0] == conv.inputs[0])
    conv.inputs = [pad.inputs[0], *conv.inputs[1:]]
    conv.builtinOptions.padding = schema.Padding.SAME
    graph.operators.remove(pad)
    return pack(model)


def _roll_bias(content: bytes) -> bytes:
    model = parse(content)
    conv = maker_of(model, "layer3.1.relu")
    bias = stored(model, conv.inputs[2], np.int32)
    store(model, conv.inputs[2], np.roll(bias, 1))
    return pack(model)


def _lose_relu6(content: bytes) -> bytes:
    model = parse(content)
    conv = maker_of(model, "features.2.conv.0.2")
    conv.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.NONE
    return pack(model)


def _flatten_nchw(content: bytes) -> bytes:
    """The weight behind a Flatten as PyTorch has it: its columns in NCHW."""
    model = parse(content)
    layer = maker_of(model, "classifier.0")
    weight = stored(model, layer.inputs[1], np.float32)
    channels, side = 16, 5
    columns = weight.reshape(-1, side, side, channels).transpose(0, 3, 1, 2)
    store(model, layer.inputs[1], columns.reshape(weight.shape))
    return pack(model)


def _align_corners(content: bytes) -> bytes:
    model = parse(content)
    resize = maker_of(model, "up")
    resize.builtinOptions.alignCorners, resize.builtinOptions.halfPixelCenters = True, False
    return pack(model)


def _tensor_of(model: object, name: str) -> object:
    graph = model.subgraphs[0]  # type: ignore[attr-defined]
    return next(tensor for tensor in graph.tensors if tensor.name.decode() == name)


def _double_scale(content: bytes) -> bytes:
    model = parse(content)
    quantisation = _tensor_of(model, "layer2.2.relu").quantization  # type: ignore[attr-defined]
    quantisation.scale = [float(quantisation.scale[0]) * 2]
    return pack(model)


def _other_zero(content: bytes) -> bytes:
    model = parse(content)
    quantisation = _tensor_of(model, "features.14.conv.1.2").quantization  # type: ignore[attr-defined]
    quantisation.zeroPoint = [int(quantisation.zeroPoint[0]) + 1]
    return pack(model)


def _resnet() -> Built:
    return shipped("resnet20")


FILE_FAULTS: tuple[FileFault, ...] = (
    FileFault("SAME for symmetric padding", _resnet, "fp32", _same, r"layer2\.0\.conv1",
              Cause.LAYOUT, "pads are 0,0,1,1 where the original has 1,1,1,1"),
    FileFault("SAME for symmetric padding", _resnet, "int8", _same, r"layer2\.0\.conv1",
              Cause.LAYOUT, "pads are 0,0,1,1 where the original has 1,1,1,1"),
    FileFault("bias off by one channel", _resnet, "int8", _roll_bias, r"layer3\.1\.conv1",
              Cause.KERNEL, "bias lies one channel off"),
    FileFault("ReLU6 lost", lambda: shipped("mobilenet_v2"), "fp32", _lose_relu6,
              r"features\.2\.conv\.0\.2", Cause.KERNEL, r"Clip\(0, 6\) is missing"),
    FileFault("Flatten in the order of NCHW", lambda: shipped("lenet5", "mnist"), "fp32",
              _flatten_nchw, r"classifier\.0", Cause.LAYOUT, "NCHW"),
    FileFault("align_corners", segmenter, "fp32", _align_corners, "up", Cause.KERNEL,
              "align_corners where the original has half_pixel"),
    FileFault("a scale off by 2", _resnet, "int8", _double_scale, r"layer2\.2\.(relu|conv1)",
              Cause.KERNEL, "scale is .* 2 times the QDQ graph's"),
    FileFault("a zero point off by one", lambda: shipped("mobilenet_v2"), "int8", _other_zero,
              r"features\.14\.conv\.1\.2", Cause.KERNEL, "zero point is .*, one more than the QDQ"),
)  # fmt: skip
