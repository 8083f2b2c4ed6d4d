"""Requantisation in OpenVINO: the integers of the formula that integer kernels share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets.openvino.placement import PRODUCTS, executed_precisions
from edgecnn_exporters.targets.openvino.requantise import RequantiseInSteps
from edgecnn_exporters.targets.openvino.write import OpenVinoModel, write_openvino

openvino = pytest.importorskip("openvino")

CPU = Path("/proc/cpuinfo")
RANDOM = np.random.default_rng(0)
INPUTS, OUTPUTS = 8, 16
# Products with a tenth lie near a half one time in ten.
SCALES = {"sx": 0.02, "sy": 0.2}
WEIGHT = RANDOM.integers(-63, 64, (OUTPUTS, INPUTS)).astype(np.int8)
BIAS = RANDOM.integers(-3000, 3000, OUTPUTS).astype(np.int32)
IMAGES = RANDOM.integers(0, 256, (4, INPUTS, 24, 24)).astype(np.uint8)
# Measured on x86 with VNNI. AMX has kernels of its own: they may round one integer in a thousand
# otherwise before these tests fail.
HAS_AMX = CPU.exists() and "amx_int8" in CPU.read_text()
READS, ANSWERS = "uint8[N, 8, 24, 24] x", "uint8[N, 16, 24, 24] y"


def formula(zero_point: int, low: float = -np.inf, high: float = np.inf) -> np.ndarray:
    """``round((sum + b) (s_x s_w) / s_y) + z`` of a 1×1 convolution, the product in float32."""
    shifted = IMAGES.astype(np.int64) - 100
    sums = np.einsum("oi,nihw->nohw", WEIGHT.astype(np.int64), shifted) + BIAS[:, None, None]
    step = np.float32(SCALES["sx"]) * np.float32(1) / np.float32(SCALES["sy"])
    steps = np.clip(sums.astype(np.float32) * step, low, high)
    return np.clip(np.rint(steps) + zero_point, 0, 255).astype(np.uint8)


def written(zero_point: int, clamp: str = "") -> ir.Model:
    """The 1×1 convolution as a QDQ graph."""
    weights = {name: np.array(scale, np.float32) for name, scale in SCALES.items()}
    weights |= {
        "zx": np.array(100, np.uint8),
        "zy": np.array(zero_point, np.uint8),
        "w": WEIGHT.reshape(OUTPUTS, INPUTS, 1, 1),
        "sw": np.ones(OUTPUTS, np.float32),
        "zw": np.zeros(OUTPUTS, np.int8),
        "b": BIAS,
        "sb": np.full(OUTPUTS, SCALES["sx"], np.float32),
        "zb": np.zeros(OUTPUTS, np.int32),
        "low": np.array(-2, np.float32),
        "high": np.array(3, np.float32),
    }
    body = f"""
        [dx] dx = DequantizeLinear (x, sx, zx)
        [dw] dw = DequantizeLinear <axis = 0> (w, sw, zw)
        [db] db = DequantizeLinear <axis = 0> (b, sb, zb)
        [conv] c = Conv (dx, dw, db)
        {clamp}
        [q] y = QuantizeLinear ({"k" if clamp else "c"}, sy, zy)"""
    return network(body, weights, reads=READS, answers=ANSWERS)


def compiled(made: OpenVinoModel, threads: int = 1) -> Any:
    core = openvino.Core()
    how = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    return core.compile_model(core.read_model(made.xml, made.weights), "CPU", how)


def check_integers(found: np.ndarray, expected: np.ndarray) -> None:
    away = np.abs(found.astype(int) - expected)
    assert (away > 0).mean() <= (1e-3 if HAS_AMX else 0)
    assert away.max() <= (1 if HAS_AMX else 0)


@pytest.mark.parametrize("zero_point", [0, 77, 128])
def test_a_convolution_rounds_as_the_integer_kernels_of_other_runtimes(zero_point: int) -> None:
    run = compiled(write_openvino(written(zero_point), "int8"))
    check_integers(run(IMAGES)[0], formula(zero_point))


def test_a_relu_that_ends_where_the_encoding_does_changes_nothing() -> None:
    run = compiled(write_openvino(written(0, "[r] k = Relu (c)"), "int8"))
    check_integers(run(IMAGES)[0], formula(0))


def test_a_clip_inside_the_encoding_clips_there() -> None:
    run = compiled(write_openvino(written(77, "[k] k = Clip (c, low, high)"), "int8"))
    low, high = np.array([-2, 3], np.float32) / np.float32(SCALES["sy"])
    check_integers(run(IMAGES)[0], formula(77, low, high))


def test_one_integer_kernel_computes_all_of_it() -> None:
    nodes = executed_precisions(compiled(write_openvino(written(77), "int8"))).values()
    (product,) = (node for node in nodes if node.kind in PRODUCTS)
    assert product.is_integer
    assert not [node for node in nodes if node.kind in ("Eltwise", "FakeQuantize")]


SHAPES = {
    "full": (12, 6, 3, 3),
    "wise": (6, 1, 3, 3),
    "grouped": (12, 3, 3, 3),
    "point": (12, 6, 1, 1),
    "shift": (12,),
    "down": (4, 12, 1, 1),
    "narrow": (4, 6, 1, 1),
}
WEIGHTS = {name: RANDOM.standard_normal(s).astype(np.float32) for name, s in SHAPES.items()}
SAMPLES = list(RANDOM.standard_normal((8, 1, 6, 9, 9)).astype(np.float32))
PADDED = "pads = [1, 1, 1, 1]"
CONVOLUTIONS = {
    "full": f"a = Conv <{PADDED}> (x, full, shift) b = Relu (a)",
    "no bias": f"b = Conv <{PADDED}, strides = [2, 2]> (x, full)",
    "depthwise": f"a = Conv <{PADDED}, group = 6> (x, wise) b = Conv (a, point)",
    "grouped": f"b = Conv <{PADDED}, group = 2> (x, grouped, shift)",
    "one row": "a = Conv (x, point) b = MaxPool <kernel_shape = [9, 1]> (a)",
    "sum": f"a = Conv (x, point, shift) c = Conv <{PADDED}> (x, full) b = Add (a, c)",
}


def quantised(body: str) -> ir.Model:
    reads = "float[N, 6, 9, 9] x"
    return quantise(network(body, WEIGHTS, reads=reads), SAMPLES, QuantConfig("fast")).model


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("body", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
def test_integers_of_every_kind_of_convolution_are_those_of_onnx_runtimes_kernels(
    body: str, threads: int
) -> None:
    model = quantised(f"{body} y = Conv (b, down)")
    run, probe = compiled(write_openvino(model, "int8"), threads), ValueProbe(model, kernels=True)
    for images in (SAMPLES[0], np.concatenate(SAMPLES[:3])):
        expected = probe.run(images)["y"]
        # Without a step between them: the last sums are brought to float by one product.
        room = 0.02 if HAS_AMX else 1e-5
        np.testing.assert_allclose(run(images)[0], expected, atol=room * np.abs(expected).max())


def test_the_graph_says_the_same_after_the_pass() -> None:
    model = quantised(f"{CONVOLUTIONS['sum']} y = Conv (b, down)")
    expected = ValueProbe(model).run(SAMPLES[0])["y"]
    assert RequantiseInSteps()(model).modified
    step = np.ptp(expected) / 200
    np.testing.assert_allclose(ValueProbe(model).run(SAMPLES[0])["y"], expected, atol=step)
    assert not RequantiseInSteps()(model).modified


@pytest.mark.parametrize(
    "body",
    [
        "g = GlobalAveragePool (x) y = Conv (g, narrow)",
        "g = GlobalAveragePool (x) a = Conv (g, point, shift) y = Conv (a, down)",
    ],
    ids=["the last", "another"],
)
def test_a_convolution_to_one_pixel_stays(body: str) -> None:
    assert not RequantiseInSteps()(quantised(body)).modified


def test_gates_of_one_pixel_are_right_for_one_image_alone() -> None:
    model = quantised("g = GlobalAveragePool (x) a = Conv (g, point, shift) y = Conv (a, down)")
    expected = ValueProbe(model).run(SAMPLES[0])["y"]
    found = compiled(write_openvino(model, "int8"))(SAMPLES[0])[0]
    np.testing.assert_allclose(found, expected, atol=np.ptp(expected) / 100)
