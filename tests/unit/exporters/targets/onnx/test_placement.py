from __future__ import annotations

import numpy as np
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets.onnx.placement import Placement, place

SAMPLES = list(np.random.default_rng(0).standard_normal((4, 1, 3, 8, 8)).astype(np.float32))
CONV = "a = Conv <pads = [1, 1, 1, 1]> (x, even)"
# Channels of one kind: unlike ones stay float behind the last layer.
EVEN = {"even": np.random.default_rng(1).standard_normal((6, 3, 3, 3)).astype(np.float32)}


def placed(body: str) -> Placement:
    return place(to_bytes(quantise(network(f"{CONV} {body}", EVEN), SAMPLES).model))


def test_what_has_an_integer_kernel_runs_in_it() -> None:
    found = placed(
        "b = Relu (a) c = MaxPool <kernel_shape = [2, 2]> (b) d = Sigmoid (c) e = Mul (c, d) "
        "f = Add (e, c) y = GlobalAveragePool (f)"
    )
    assert found.real == {}
    for operator in ("QLinearConv", "QLinearSigmoid", "QLinearMul", "QLinearAdd"):
        assert found.integer[operator] == 1
    assert found.borders == 2, "in at the input, out at the output"


def test_hard_swish_runs_in_integers() -> None:
    found = placed("y = HardSwish (a)")
    assert found.real == {}
    assert (found.integer["QLinearAdd"], found.integer["QLinearMul"]) == (1, 1)


def test_what_has_none_is_counted_as_float() -> None:
    assert placed("y = Elu (a)").real == {"Elu": 1}


def test_a_float_model_is_all_float() -> None:
    found = place(to_bytes(network(f"{CONV} y = Sigmoid (a)", EVEN)))
    assert found.integer == {}
    assert sum(found.real.values()) >= 2
    assert found.borders == 0
