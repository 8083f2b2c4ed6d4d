"""ONNX Runtime's optimiser changes no answer of an 8-bit graph by more than one integer."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from unit.exporters.quantise.chain_support import Weights, network

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.passes.graph import scalar
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.ladder import quantise

RANDOM = np.random.default_rng(0)
# 12 rows and 10 behind the first Conv: windows of 3 at stride 2 divide neither.
IMAGES = RANDOM.standard_normal((6, 1, 3, 12, 12)).astype(np.float32)
SHAPES = {
    "w": (6, 3, 3, 3),
    "wise": (6, 1, 3, 3),
    "up": (6, 4, 3, 3),
    "one": (1, 6, 1, 1),
    "fc": (7, 6),
    "offset": (7,),
}
WEIGHTS: Weights = {
    name: RANDOM.standard_normal(shape).astype(np.float32) / 3 for name, shape in SHAPES.items()
}
LEVELS = onnxruntime.GraphOptimizationLevel
STRIDE = "kernel_shape = [3, 3], strides = [2, 2]"
PADS = "pads = [1, 1, 1, 1]"
BODIES = {
    "conv": "y = Conv (x, w)",
    "conv and clip": "a = Conv (x, w) y = Clip (a, zero, six)",
    "one output channel": "a = Conv (x, w) b = Conv (a, one) y = Clip (b, zero, six)",
    "depthwise": "a = Conv (x, w) b = Clip (a, zero, six) y = Conv <group = 6> (b, wise)",
    "transposed": "a = Conv (x, w) y = ConvTranspose <strides = [2, 2]> (a, up)",
    "gemm": "a = Conv (x, w) p = GlobalAveragePool (a) f = Flatten (p) "
    "y = Gemm <transB = 1> (f, fc, offset)",
    "max, rounded up": f"a = Conv (x, w) y = MaxPool <{STRIDE}, ceil_mode = 1> (a)",
    "average": "a = Conv (x, w) y = AveragePool <kernel_shape = [2, 2]> (a)",
    "average, padded": f"a = Conv (x, w) y = AveragePool <{STRIDE}, {PADS}> (a)",
    "average, padding counts": f"a = Conv (x, w) y = AveragePool <{STRIDE}, {PADS}, "
    "count_include_pad = 1> (a)",
    "average, rounded up": f"a = Conv (x, w) y = AveragePool <{STRIDE}, ceil_mode = 1> (a)",
    "average, rounded up, padding counts": f"a = Conv (x, w) y = AveragePool <{STRIDE}, {PADS}, "
    "ceil_mode = 1, count_include_pad = 1> (a)",
    "average, automatic": 'a = Conv (x, w) y = AveragePool <auto_pad = "SAME_LOWER", '
    "kernel_shape = [2, 2], count_include_pad = 1> (a)",
    "average, dilated": f"a = Conv (x, w) y = AveragePool <{STRIDE}, {PADS}, "
    "dilations = [2, 2]> (a)",
    "average of one channel": f"a = Conv (x, w) b = Conv (a, one) y = AveragePool <{STRIDE}, "
    f"{PADS}, count_include_pad = 1> (b)",
}


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_the_optimiser_changes_no_answer_by_more_than_one_step(
    body: str, *, per_channel: bool
) -> None:
    answers = "float[N, K] y" if "Gemm" in body else "float[N, C, H, W] y"
    model = network(body, WEIGHTS, reads="float[N, 3, 12, 12] x", answers=answers)
    original = to_bytes(model)
    canonicalise(model)
    config = QuantConfig("fast", observer="min-max", per_channel=per_channel)
    quantised = quantise(model, list(IMAGES), config).model
    content = to_bytes(quantised)
    plain, optimised = (
        run(content, level) for level in (LEVELS.ORT_DISABLE_ALL, LEVELS.ORT_ENABLE_ALL)
    )
    last = quantised.graph.outputs[0].producer()
    assert last is not None
    step = scalar(last.inputs[1]) if last.op_type == "DequantizeLinear" else None
    expected = run(original, LEVELS.ORT_DISABLE_ALL)
    width = float(np.ptp(expected))
    # A result in float has no step; its sums are those of integers.
    allowed = 1e-6 * width if step is None else 1.01 * step
    assert np.abs(optimised - plain).max() <= allowed
    assert np.abs(optimised - expected).max() < 0.1 * width


def run(model: bytes, level: onnxruntime.GraphOptimizationLevel) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = 3
    (answer,) = onnxruntime.InferenceSession(model, options).run(None, {"x": IMAGES[:, 0]})
    return answer
