"""What no 8-bit encoding holds stays float, and what is computed from it is right."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.quantise.coarse import find_coarse
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.ladder import quantise

RANDOM = np.random.default_rng(5)
SAMPLES = list(RANDOM.standard_normal((12, 1, 3, 8, 8)).astype(np.float32))
WEIGHTS = {
    "body": RANDOM.standard_normal((8, 3, 3, 3)).astype(np.float32) / 5,
    "boxes": RANDOM.standard_normal((4, 8, 1, 1)).astype(np.float32) / 2,
    "scores": RANDOM.standard_normal((3, 8, 1, 1)).astype(np.float32) / 2,
    "both": np.concatenate([np.full((4, 8, 1, 1), 60), np.full((3, 8, 1, 1), 0.2)]).astype(
        np.float32
    )
    * RANDOM.standard_normal((7, 8, 1, 1)).astype(np.float32),
    "classes": RANDOM.standard_normal((300, 8, 1, 1)).astype(np.float32) / 3,
    "again": RANDOM.standard_normal((5, 7, 1, 1)).astype(np.float32),
    "pixels": np.array(640, np.float32),
    "units": np.array([[[640]]] * 4 + [[[1]]] * 3, np.float32),
    "halves": np.array([4, 3]),
    "flat": np.array([0, 7, -1]),
    "place": np.array([0, 1, -1]),
    "from4": np.array([4]),
    "to7": np.array([7]),
    "to4": np.array([4]),
    "from0": np.array([0]),
    "channels": np.array([1]),
    "fc": RANDOM.standard_normal((7, 8)).astype(np.float32),
}
BODY = "[stem] s = Conv <pads = [1, 1, 1, 1]> (x, body) [act] f = Relu (s)"
HEADS = f"""{BODY} [b] p = Conv (f, boxes) [bs] q = Sigmoid (p) [bm] r = Mul (q, pixels)
 [c] t = Conv (f, scores) [cs] u = Sigmoid (t)"""
BOTH = f"{BODY} [h] p = Conv (f, both)"
FORMS = {
    "joined": f"{HEADS} [join] y = Concat <axis = 1> (r, u)",
    "joined behind reshapes": f"""{HEADS} [join] v = Concat <axis = 1> (r, u)
      [flat7] w = Reshape (v, flat) [turn] y = Transpose <perm = [0, 2, 1]> (w)""",
    "joined twice": f"""{HEADS} [join] v = Concat <axis = 1> (r, u) [flat7] w = Reshape (v, flat)
      [all] y = Concat <axis = 2> (w, w)""",
    "resized": f"""{HEADS} [join] v = Concat <axis = 1> (r, u)
      [up] y = DepthToSpace <blocksize = 1> (v)""",
    "scaled by channel": f"""{BODY} [b] p = Conv (f, boxes) [c] t = Conv (f, scores)
      [join] v = Concat <axis = 1> (p, t) [g] w = Sigmoid (v) [m] y = Mul (w, units)""",
    "split": f"""{BOTH} [cut] q, r = Split <axis = 1> (p, halves) [g] u = Sigmoid (r)
      [join] y = Concat <axis = 1> (q, u)""",
    "sliced": f"""{BOTH} [cut1] q = Slice (p, from0, to4, channels)
      [cut2] r = Slice (p, from4, to7, channels) [join] y = Concat <axis = 1> (q, r)""",
    "one layer": f"{BOTH} [same] y = Identity (p)",
    "a layer and nothing else": f"{BODY} [h] y = Conv (f, both)",
}


def form(body: str, answers: str = "float[N, C, H, W] y") -> ir.Model:
    rank = {"joined behind reshapes", "joined twice"}
    short = any(FORMS[name] == body for name in rank)
    return network(body, WEIGHTS, answers="float[N, C, A] y" if short else answers)


def sqnr_about_mean(expected: np.ndarray, found: np.ndarray) -> float:
    noise = np.square(expected - found).sum()
    return float(10 * np.log10(np.square(expected - expected.mean()).sum() / noise))


def outputs(model: ir.Model, sample: np.ndarray) -> list[np.ndarray]:
    return list(ValueProbe(model).run(sample).values())


@pytest.mark.parametrize("name", FORMS)
def test_scores_beside_boxes_come_out_right(name: str) -> None:
    model = form(FORMS[name])
    found = quantise(model, SAMPLES, QuantConfig("fast", "min-max"))
    for sample in SAMPLES[-3:]:
        ((expected,), (answer,)) = outputs(model, sample), outputs(found.model, sample)
        axis = 2 if name == "joined behind reshapes" else 1
        for rows in (range(4), range(4, 7)):
            parts = (np.take(each, rows, axis) for each in (expected, answer))
            assert sqnr_about_mean(*parts) > 20


def test_the_reason_names_the_join_its_ranges_and_the_cost() -> None:
    found = find_coarse(form(FORMS["joined"]), SAMPLES)
    assert set(found) == {"bs", "bm", "cs", "join"}
    (reason,) = set(found.values())
    assert reason.startswith("join (Concat) holds ")
    assert "(r) beside" in reason
    assert "(u): in one 8-bit encoding" in reason
    assert "none of the network's multiply-adds" in reason


def test_a_layer_of_unlike_channels_says_what_it_costs() -> None:
    """8 × 7 of (3 × 9 + 7) × 8 multiply-adds at each place."""
    (reason,) = find_coarse(form(FORMS["a layer and nothing else"]), SAMPLES).values()
    assert f"{7 / (27 + 7):.1%} of the network's multiply-adds" in reason
    assert "4 of 7 along axis 1 of y" in reason


@pytest.mark.parametrize(
    "body",
    [
        f"""{BODY} [b] p = Conv (f, boxes) [c] t = Conv (f, scores)
         [join] y = Concat <axis = 1> (p, t)""",
        f"{HEADS} [join] v = Concat <axis = 1> (r, u) [more] y = Conv (v, again)",
        f"{BODY} [c] y = Conv (f, scores)",
    ],
    ids=["like ranges", "a layer follows", "one layer"],
)
def test_other_joins_are_left_in_8_bits(body: str) -> None:
    assert not find_coarse(network(body, WEIGHTS), SAMPLES)


def test_a_join_that_leaves_and_is_read_by_a_layer_is_float() -> None:
    body = f"{HEADS} [join] v = Concat <axis = 1> (r, u) [more] y = Conv (v, again)"
    model = network(body, WEIGHTS, answers="float[N, C, H, W] v, float[N, D, H, W] y")
    assert "join" in find_coarse(model, SAMPLES)
    found = quantise(model, SAMPLES, QuantConfig("fast", "min-max"))
    expected, answer = outputs(model, SAMPLES[0])[0], outputs(found.model, SAMPLES[0])[0]
    assert sqnr_about_mean(expected[:, 4:], answer[:, 4:]) > 20
    assert "more" in found.state.plan.integer


def test_shares_of_many_classes_stay_float() -> None:
    model = network(f"{BODY} [c] p = Conv (f, classes) [soft] y = Softmax <axis = 1> (p)", WEIGHTS)
    found = quantise(model, SAMPLES, QuantConfig("fast", "min-max"))
    assert "steps of 1/256" in found.left["soft"]
    (expected,), (answer,) = outputs(model, SAMPLES[0]), outputs(found.model, SAMPLES[0])
    assert sqnr_about_mean(expected, answer) > 25


def test_shares_of_many_places_within_the_network_stay_float() -> None:
    body = f"""{BODY} [soft] g = Softmax <axis = 2> (f) [weigh] v = Mul (f, g)
     [c] y = Conv (v, boxes)"""
    scaled = WEIGHTS | {"body": WEIGHTS["body"] / 50}
    wide = [np.repeat(np.repeat(each, 6, 2), 6, 3) for each in SAMPLES[:8]]
    model = network(body, scaled, reads="float[N, 3, 48, 48] x")
    assert set(find_coarse(model, wide)) == {"soft"}


def test_a_gate_that_is_neither_small_nor_an_output_is_held_in_8_bits() -> None:
    body = f"{BODY} [g] g = Sigmoid (s) [m] v = Mul (s, g) [c] y = Conv (v, boxes)"
    assert not find_coarse(network(body, WEIGHTS), SAMPLES)


def test_a_fully_connected_layer_before_unlike_results_has_a_float_result() -> None:
    body = f"""{BODY} [pool] g = GlobalAveragePool (f) [flat1] h = Flatten (g)
     [fc1] p = Gemm <transB = 1> (h, fc) [cut] q, r = Split <axis = 1> (p, halves)
     [m] t = Mul (q, pixels) [gate] u = Sigmoid (r) [join] y = Concat <axis = 1> (t, u)"""
    model = network(body, WEIGHTS, answers="float[N, C] y")
    found = quantise(model, SAMPLES, QuantConfig("fast", "min-max"))
    assert found.state.plan.results == ("p",)
    assert {"cut", "m", "gate", "join"} <= set(found.left)


@pytest.mark.parametrize("behind", ["", "[act2] v = Relu (y) [pool] z = GlobalAveragePool (v)"])
def test_classes_that_hardly_vary_are_of_no_other_kind(behind: str) -> None:
    """As on calibration images that show few of a thousand classes: a layer costs too much."""
    spread = np.float32(10.0) ** RANDOM.uniform(-3, 0, (40, 1, 1, 1)).astype(np.float32)
    classes = RANDOM.standard_normal((40, 8, 1, 1)).astype(np.float32) * spread
    classes[[3, 17, 29]] /= 1000
    weights = WEIGHTS | {"many": classes}
    answers = "float[N, C, H, W] y" + (", float[N, C, h, w] z" if behind else "")
    model = network(f"{BODY} [c] y = Conv (f, many) {behind}", weights, answers=answers)
    assert "c" not in find_coarse(model, SAMPLES)


@pytest.mark.parametrize("observer", ["percentile", "mse", "entropy"])
def test_the_logits_of_rare_scores_are_not_clipped(observer: str) -> None:
    """One place in a thousand, on one sample, has a score; only boxes would not miss it."""
    model = network(FORMS["joined"], WEIGHTS)
    found = quantise(model, SAMPLES, QuantConfig("fast", observer))
    measured = found.state.calibration.values["t"]
    encoding = found.state.numbers.activations["t"].range
    assert encoding.low <= measured.low + (encoding.high - encoding.low) / 255
    assert encoding.high >= measured.high - (encoding.high - encoding.low) / 255
