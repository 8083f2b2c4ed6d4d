"""Grouped 8-bit convolutions in OpenVINO, whatever the number of threads and of images."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets.openvino.write import write_openvino
from edgecnn_exporters.targets.openvino.zero_points import AbsorbZeroPoints

openvino = pytest.importorskip("openvino")

RANDOM = np.random.default_rng(0)
# Of either sign, so that their zero point is not 0.
SAMPLES = list(RANDOM.standard_normal((8, 1, 40, 4, 4)).astype(np.float32))
WEIGHTS = {
    "grouped": RANDOM.standard_normal((80, 10, 3, 3)).astype(np.float32) / 10,
    "wise": RANDOM.standard_normal((40, 1, 3, 3)).astype(np.float32),
    "point": RANDOM.standard_normal((80, 10, 1, 1)).astype(np.float32),
    "shift": RANDOM.standard_normal(80).astype(np.float32),
}
READS = "float[N, 40, 4, 4] x"
PADDED = "pads = [1, 0, 2, 1]"


def quantised(body: str) -> ir.Model:
    return quantise(network(body, WEIGHTS, reads=READS), SAMPLES, QuantConfig("fast")).model


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("bias", ["", ", shift"])
def test_a_grouped_convolution_is_the_same_on_any_number_of_threads(
    bias: str, threads: int
) -> None:
    model = quantised(f"y = Conv <group = 4, {PADDED}> (x, grouped{bias})")
    written = write_openvino(model, "int8")
    core = openvino.Core()
    how = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = core.compile_model(core.read_model(written.xml, written.weights), "CPU", how)
    probe = ValueProbe(model)
    for sample in SAMPLES[:2]:
        expected = probe.run(sample)["y"]
        # A step of the output's 8 bits, where a real lies between two.
        step = np.ptp(expected) / 200
        np.testing.assert_allclose(compiled(sample)[0], expected, atol=step)


def test_the_border_is_filled_with_the_zero_point() -> None:
    model = quantised(f"y = Conv <group = 4, {PADDED}> (x, grouped, shift)")
    expected = ValueProbe(model).run(SAMPLES[0])["y"]
    assert AbsorbZeroPoints()(model).modified
    found = ValueProbe(model).run(SAMPLES[0])["y"]
    np.testing.assert_allclose(found, expected, atol=np.ptp(expected) / 200)
    assert "Pad" in [node.op_type for node in model.graph]
    assert not AbsorbZeroPoints()(model).modified


@pytest.mark.parametrize(
    "body",
    [
        f"y = Conv <group = 40, {PADDED}> (x, wise)",
        "y = Conv <group = 4> (x, point)",
        f"r = Relu (x) y = Conv <group = 4, {PADDED}> (r, grouped)",
    ],
    ids=["depthwise", "one pixel", "zero point 0"],
)
def test_other_convolutions_stay(body: str) -> None:
    assert not AbsorbZeroPoints()(quantised(body)).modified
