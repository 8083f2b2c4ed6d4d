"""Dead layers, and scales that TFLite's integer kernels do not compute with."""

from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.quantise.chain_support import network
from unit.exporters.targets.tflite.integer_support import KNOWN, SAMPLES
from unit.exporters.targets.tflite.support import answer, read

from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite

CONSTANTS = {
    "gate": KNOWN["gate"],
    "steep": KNOWN["gate"] * np.float32(1e4),
    "none": np.zeros((6, 6, 1, 1), np.float32),
    "shut": np.full(6, -100, np.float32),
    "zero": np.array(0, np.float32),
    "sliver": np.array(1e-6, np.float32),
    "huge": np.full((6, 1, 1), 1e6, np.float32),
    "minus": np.array(-1, np.float32),
}
DEAD = {
    "relu": "[c] t = Conv (x, gate, shut) d = Relu (t) y = Add (d, x)",
    "gate": (
        "[c] t = Conv (x, gate, shut) p = GlobalAveragePool (t) h = HardSigmoid (p) "
        "m = Mul (x, h) y = Add (m, x)"
    ),
    "weights": "[c] d = Conv (x, none) y = Add (d, x)",
    "pooled": "[c] t = Conv (x, gate, shut) r = Relu (t) d = GlobalAveragePool (r) y = Add (x, d)",
    "joined": "[c] t = Conv (x, gate, shut) d = Relu (t) y = Concat <axis = 1> (d, x)",
    "result": "[c] t = Conv (x, gate, shut) y = Relu (t)",
}
FAR = {
    "a sliver of a sum": (
        "[c] t = Conv (x, gate) s = Clip (t, zero, sliver) y = Add (s, x)",
        ["CONV_2D", "QUANTIZE", "QUANTIZE", "ADD", "DEQUANTIZE"],
    ),
    "a speck beside a mountain": (
        "[c] h = Conv (x, steep) m = Mul (h, huge) r = Relu (m) n = Mul (r, minus) "
        "s = Add (r, n) y = Add (s, x)",
        None,
    ),
}


def check(body: str) -> list[str]:
    """The operators, once the file answers within 2 % of the largest number of the float graph."""
    words = set(body.replace("(", " ").replace(")", " ").replace(",", " ").split())
    used = {name: array for name, array in CONSTANTS.items() if name in words}
    model = network(body, used, reads="float[N, 6, 8, 8] x", answers="float[N, C, H, W] y")
    qdq = quantise(model, SAMPLES, QuantConfig("fast", observer="min-max")).model
    found = write_tflite(qdq, TfliteOptions(precision="int8"))
    right = ValueProbe(model, ["y"]).run(SAMPLES[0])["y"]
    for delegate in (True, False):
        made = answer(found, {"x": SAMPLES[0]}, delegate=delegate)["y"]
        np.testing.assert_allclose(made, right, rtol=0, atol=0.02 * np.abs(right).max())
    return read(found).codes


@pytest.mark.parametrize("body", DEAD.values(), ids=DEAD.keys())
def test_a_dead_layer_stays_in_integers(body: str) -> None:
    codes = check(body)
    assert codes[0] == "QUANTIZE"
    assert codes[-1] == "DEQUANTIZE"
    assert not {"QUANTIZE", "DEQUANTIZE"} & set(codes[1:-1])


@pytest.mark.parametrize(("body", "codes"), FAR.values(), ids=FAR.keys())
def test_scales_too_far_apart_are_computed_in_float(body: str, codes: list[str] | None) -> None:
    found = check(body)
    assert codes is None or found == codes
