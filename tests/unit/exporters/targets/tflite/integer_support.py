"""Small networks in 8 bits, and what their QDQ graphs hold."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import onnx_ir as ir
from unit.exporters.quantise.chain_support import network
from unit.exporters.targets.tflite.support import File

from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.ladder import quantise

RANDOM = np.random.default_rng(0)
SAMPLES = list(RANDOM.standard_normal((8, 1, 6, 8, 8)).astype(np.float32))
# Those that calibrated: nothing of them lies beyond the ranges.
IMAGES = SAMPLES[:3]
KNOWN = {
    name: (RANDOM.standard_normal(shape) * scale).astype(np.float32)
    for name, shape, scale in [
        ("wise", (6, 1, 3, 3), 0.5),
        ("double", (12, 1, 3, 3), 0.5),
        ("point", (5, 6, 1, 1), 0.5),
        ("summand", (5,), 1.0),
        ("grouped", (6, 3, 3, 3), 0.5),
        ("up", (6, 4, 2, 2), 0.5),
        ("gate", (6, 6, 1, 1), 0.5),
        ("fc", (10, 6), 0.5),
        ("wide", (10, 6 * 64), 0.2),
        ("both", (6, 12, 1, 1), 0.3),
        ("many", (300, 6, 1, 1), 0.3),
        ("offset", (10,), 1.0),
        ("full", (6, 6, 3, 3), 0.3),
        ("faint", (10, 6 * 64), 0.001),
    ]
}
KNOWN["edge"] = np.array([0, 0, 1, 1, 0, 0, 1, 1])
KNOWN["behind"] = np.array([0, 0, 0, 0, 0, 6, 0, 0])
KNOWN["around"] = np.array([0, 3, 0, 0, 0, 3, 0, 0])
KNOWN["hundred"] = np.array(100, np.float32)
KNOWN["scales"] = np.array([1, 1, 2, 2], np.float32)


@cache
def quantised(body: str, answers: str = "float[N, C, H, W] y") -> ir.Model:
    """The QDQ graph of a network that reads an image x of six channels."""
    used = {name: array for name, array in KNOWN.items() if re.search(rf"\b{name}\b", body)}
    model = network(body, used, reads="float[N, 6, 8, 8] x", answers=answers)
    return quantise(model, SAMPLES, QuantConfig("fast")).model


def integers_of(model: ir.Model, image: np.ndarray) -> np.ndarray:
    """What the QDQ graph holds of its result in 8 bits, every node of it computed alone."""
    back = model.graph.outputs[0].producer()
    assert back is not None
    assert back.op_type == "DequantizeLinear"
    assert back.inputs[0] is not None
    name = str(back.inputs[0].name)
    return ValueProbe(model, [name]).run(image)[name]


def encode(encoding: tuple[float, int], image: np.ndarray, dtype: str) -> np.ndarray:
    """As ONNX's QuantizeLinear rounds and saturates."""
    scale, zero_point = encoding
    limits = np.iinfo(dtype)
    integers = np.rint(image / np.float32(scale)) + zero_point
    return np.clip(integers, limits.min, limits.max).astype(dtype)


def floats(file: File) -> set[str]:
    """The names of tensors that hold floats."""
    return {tensor.name for tensor in file.tensors.values() if tensor.dtype.startswith("FLOAT")}
