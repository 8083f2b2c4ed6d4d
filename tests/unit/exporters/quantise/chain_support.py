"""Chains of sums in ONNX text, with random weights, and what they compute."""

from __future__ import annotations

import re

import numpy as np
import onnx.checker
import onnx.parser
import onnx_ir as ir
from onnx import numpy_helper

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.quantise.graph.probe import ValueProbe

Weights = dict[str, np.ndarray]


def weight(*shape: int, seed: int) -> np.ndarray:
    """Random, with ranges of the output channels from 1/30 to 30."""
    random = np.random.default_rng(seed)
    unit = random.standard_normal(shape)
    spread = 10 ** random.uniform(-1.5, 1.5, (shape[0], *[1] * (len(shape) - 1)))
    return (spread * unit).astype(np.float32)


CONSTANTS: Weights = {
    "zero": np.array(0, np.float32),
    "six": np.array(6, np.float32),
    "one": np.array(1, np.float32),
    "minus": np.array(-1, np.float32),
    "infinite": np.array(-np.inf, np.float32),
    "nan": np.array(np.nan, np.float32),
    "slope": np.linspace(-0.5, 1.5, 6, dtype=np.float32).reshape(6, 1, 1),
    "slope1": np.array([0.1], np.float32),
    "edges": np.array([0, 0, 1, 2, 0, 0, 2, 1]),
    "more": np.array([0, 1, 0, 0, 0, 1, 0, 0]),
    "taken": np.array([0, -1, 0, 0]),
    "fewer": np.array([0, 0, 0, 0, 0, -1, 0, 0]),
    "sides": np.array([1, 2, 0, 1]),
    "at_end": np.array([-1, -2]),
    "at_channels": np.array([-2, -3]),
}
SUMS: Weights = {
    "w1": weight(6, 3, 3, 3, seed=1),
    "b1": weight(6, seed=2),
    "w2": weight(5, 6, 1, 1, seed=3),
    "b2": weight(5, seed=4),
}
FIRST = "[first] a = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)"
SECOND = "[second] y = Conv (b, w2, b2)"


def network(
    body: str,
    weights: Weights | None = None,
    *,
    reads: str = "float[N, 3, 8, 8] x",
    answers: str = "float[N, C, H, W] y",
) -> ir.Model:
    """The graph, checked and with its shapes inferred.

    Its initialisers are those of `weights`, of `SUMS` and of `CONSTANTS` that it reads.
    """
    known = {**CONSTANTS, **SUMS, **(weights or {})}
    read = {name: known[name] for name in re.findall(r"\w+", body) if name in known}
    proto = onnx.parser.parse_model(
        f'<ir_version: 10, opset_import: ["": 20]> g ({reads}) => ({answers}) {{ {body} }}'
    )
    proto.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in read.items())
    onnx.checker.check_model(proto, full_check=True)
    model = ir.from_proto(onnx.shape_inference.infer_shapes(proto))
    for node in model.graph:
        # A canonical graph names all of its nodes.
        node.name = node.name or node.outputs[0].name
    return model


def inputs(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape or (4, 3, 8, 8)).astype(np.float32)


def compute(model: ir.Model, name: str, x: np.ndarray) -> np.ndarray:
    """One value of the network in ONNX Runtime, for this input."""
    return ValueProbe(model, [name]).run(x)[name]


def weights_of(model: ir.Model) -> Weights:
    """Copies of all initialisers, by name."""
    return {
        name: array.copy()
        for name, value in model.graph.initializers.items()
        if (array := constant(value)) is not None
    }


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal but for 1e-5 of the largest value."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert np.abs(expected).max() > 0
