from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.errors import CalibrationFailed, UnsupportedModel
from edgecnn_exporters.quantise import ladder
from edgecnn_exporters.quantise.answered import Answered
from edgecnn_exporters.quantise.calibrate.held_out import divide
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.quantise.rungs import RECIPES
from edgecnn_exporters.quantise.steps.sensitivity import measure_sensitivity

RANDOM = np.random.default_rng(0)
SAMPLES = list(RANDOM.standard_normal((16, 1, 3, 8, 8)).astype(np.float32))
UNBALANCED = (10.0 ** RANDOM.uniform(-2, 2, (6, 1, 1, 1))).astype(np.float32)
WEIGHTS = {
    "w3": (RANDOM.standard_normal((6, 3, 3, 3)) * UNBALANCED).astype(np.float32),
    "w4": (RANDOM.standard_normal((6, 1, 3, 3)) / UNBALANCED).astype(np.float32),
    "w5": RANDOM.standard_normal((4, 6, 1, 1)).astype(np.float32),
    "w6": RANDOM.standard_normal((5, 4)).astype(np.float32),
}


def chain(activation: str = "Relu", *, is_balanced: bool = False) -> ir.Model:
    """Conv → depthwise → pointwise, with channels that differ by a factor of ten thousand."""
    balanced = {"w3": WEIGHTS["w3"] / UNBALANCED, "w4": WEIGHTS["w4"] * UNBALANCED}
    body = f"""[one] a = Conv <pads = [1, 1, 1, 1]> (x, w3) [act] b = {activation} (a)
    [two] c = Conv <group = 6, pads = [1, 1, 1, 1]> (b, w4) [act2] d = Relu (c)
    [three] e = Conv (d, w5) [pool] f = GlobalAveragePool (e) [flat] g = Flatten (f)
    [four] y = Gemm <transB = 1> (g, w6)"""
    weights = WEIGHTS | balanced if is_balanced else WEIGHTS
    return network(body, weights, answers="float[N, K] y")


PER_TENSOR = QuantConfig("balanced", "min-max", per_channel=False)


def test_equalisation_saves_unbalanced_weights_with_one_scale() -> None:
    found = quantise(chain(), SAMPLES, PER_TENSOR)
    rung = found.rungs[0]
    assert (rung.name, rung.is_kept) == ("equalise", True)
    assert rung.after is not None
    assert rung.after.sqnr_db > rung.before.sqnr_db + 10


def test_equalisation_stays_out_of_hard_swish() -> None:
    found = quantise(chain("HardSwish"), SAMPLES, PER_TENSOR)
    before = quantise(chain("HardSwish"), SAMPLES, replace(PER_TENSOR, recipe="fast"))
    assert found.forms == ("SpellOutHardSwish", "RemoveUnusedNodes")
    weights = found.state.model.graph.initializers["w3"].const_value.numpy()
    np.testing.assert_array_equal(
        weights, before.state.model.graph.initializers["w3"].const_value.numpy()
    )


def test_what_does_not_help_is_left_out() -> None:
    """Every rung that is kept raised the score, every other one did not."""
    found = quantise(chain(), SAMPLES)
    assert [rung.name for rung in found.rungs] == list(RECIPES["balanced"])
    for rung in found.rungs:
        if rung.after is not None:
            gained = rung.after.judged_db - rung.before.judged_db
            is_safe = rung.after.sqnr_db > rung.before.sqnr_db
            assert rung.is_kept == (is_safe and gained > ladder.LEAST_GAIN_DB)
    kept = [rung for rung in found.rungs if rung.is_kept and rung.after is not None]
    assert found.score == (kept[-1].after if kept else found.rungs[0].before)


def test_the_score_is_that_of_the_graph_that_is_returned() -> None:
    found = quantise(chain(), SAMPLES)
    judges = list(divide(SAMPLES).held_out)
    expected = np.concatenate([next(iter(o.values())) for o in ValueProbe(chain()).stream(judges)])
    outputs = np.concatenate(
        [next(iter(o.values())) for o in ValueProbe(found.model).stream(judges)]
    )
    # Of the group that is named the worst, about the mean of each channel.
    channels = found.score.groups[0].group.channels
    own = np.concatenate([np.arange(low, high) for low, high in channels])
    kept, error = expected[:, own], (outputs - expected)[:, own]
    values = kept.transpose(1, 0, *range(2, kept.ndim)).reshape(len(own), -1)
    signal = values.var(axis=1, ddof=1).sum() * values.shape[1]
    assert found.score.groups[0].responds
    assert found.score.sqnr_db == pytest.approx(
        10 * np.log10(signal / np.square(error).sum()), abs=1e-3
    )
    assert (found.calibrated, found.held_out) == (8, 8)


def test_the_same_samples_give_the_same_bytes() -> None:
    one, other = (to_bytes(quantise(chain(), SAMPLES).model) for _ in range(2))
    assert one == other


def test_the_float_model_is_left_as_it_was() -> None:
    model = chain()
    before = to_bytes(model)
    quantise(model, SAMPLES)
    assert to_bytes(model) == before


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_few_samples_calibrate_and_judge(count: int) -> None:
    found = quantise(chain(), SAMPLES[:count])
    assert (found.calibrated, found.held_out) == (count, count)
    assert "calibrate and judge" in found.notes[0]


def test_black_images_are_quantised_without_dividing_by_zero() -> None:
    found = quantise(chain(), [np.zeros((1, 3, 8, 8), np.float32)] * 4)
    (output,) = ValueProbe(found.model).run(SAMPLES[0]).values()
    assert np.isfinite(output).all()


def test_the_provenance_of_an_exact_network_holds_no_infinity() -> None:
    body = """[pool] f = GlobalAveragePool (x) [flat] g = Flatten (f)
    [four] y = Gemm <transB = 1> (g, w)"""
    zeros = {"w": np.zeros((4, 3), np.float32)}
    found = quantise(network(body, zeros, answers="float[N, K] y"), SAMPLES)
    assert found.score.sqnr_db == math.inf
    provenance = json.loads(json.dumps(found.provenance(), allow_nan=False))
    assert provenance["sqnr_db"] == 200


def test_a_quantised_network_is_not_quantised_again() -> None:
    with pytest.raises(UnsupportedModel, match="quantised already"):
        quantise(quantise(chain(), SAMPLES).model, SAMPLES)


def test_no_samples_are_refused() -> None:
    with pytest.raises(CalibrationFailed, match="no samples"):
        quantise(chain(), [])


def test_an_operator_without_a_rule_stays_float_and_is_listed() -> None:
    found = quantise(chain("Elu"), SAMPLES)
    assert list(found.left) == ["act"]
    assert "Elu" in found.provenance()["float"]["act"]


def test_an_observer_that_was_asked_for_stays() -> None:
    found = quantise(chain(), SAMPLES, QuantConfig(observer="percentile"))
    assert found.state.observer == "percentile"


def test_a_batch_that_is_fixed_is_fed_whole() -> None:
    body = "[one] a = Conv (x, w3) [act] y = Relu (a)"
    model = network(body, WEIGHTS, reads="float[2, 3, 8, 8] x", answers="float[2, 6, 6, 6] y")
    pairs = [np.concatenate(SAMPLES[i : i + 2]) for i in range(0, 16, 2)]
    found = quantise(model, pairs)
    assert found.score.sqnr_db > 30


def test_the_layer_that_hurts_is_the_most_sensitive() -> None:
    found = quantise(chain(is_balanced=True), SAMPLES, QuantConfig("fast"))
    weights = dict(found.state.numbers.weights)
    weights["three"] = replace(weights["three"], integers=weights["three"].integers // 16 * 16)
    state = replace(found.state, numbers=replace(found.state.numbers, weights=weights))
    sound, spoilt = (
        {row.node: row for row in measure_sensitivity(each, SAMPLES[:4])}
        for each in (found.state, state)
    )
    assert min(spoilt.values(), key=lambda row: row.isolated_db).node == "three"
    assert spoilt["three"].isolated_db < sound["three"].isolated_db - 6
    assert spoilt["three"].cumulative_db < sound["three"].cumulative_db - 6
    assert spoilt["two"] == sound["two"], "what lies before is as it was"


def test_a_sigmoid_by_itself_costs_something() -> None:
    body = "[one] a = Conv (x, w3) [gate] b = Sigmoid (a) [two] y = Conv <group = 6> (b, w4)"
    model = network(body, WEIGHTS)
    found = quantise(model, SAMPLES, QuantConfig("fast"))
    rows = {row.node: row for row in measure_sensitivity(found.state, SAMPLES[:4])}
    assert np.isfinite(rows["gate"].isolated_db)


@pytest.mark.parametrize(
    "layer",
    [
        "ConvTranspose <strides = [2, 2]> (a, w7)",
        'Conv <auto_pad = "SAME_UPPER", strides = [2, 2]> (a, w8)',
    ],
)
def test_what_cannot_be_rounded_with_feedback_is_left_to_the_other_rungs(layer: str) -> None:
    more = {
        "w3": WEIGHTS["w3"] / UNBALANCED,
        "w7": RANDOM.standard_normal((6, 4, 3, 3)).astype(np.float32),
        "w8": RANDOM.standard_normal((4, 6, 3, 3)).astype(np.float32),
    }
    model = network(f"[one] a = Conv (x, w3) [other] y = {layer}", WEIGHTS | more)
    found = quantise(model, SAMPLES, QuantConfig("balanced", "min-max"))
    (rung,) = [rung for rung in found.rungs if rung.name == "round and correct"]
    assert rung.note.startswith(("weights of 1 layers, biases of 2", "biases of 2 layers"))
    assert found.score.sqnr_db > 20


def test_equalisation_and_ranges_are_chosen_together_once_all_else_is_done() -> None:
    """Equalised or not, times the observers: each with rounded weights and corrected biases."""
    config = QuantConfig("best", per_channel=False)
    found = quantise(chain(), SAMPLES, config)
    (rung,) = [rung for rung in found.rungs if rung.name == "choose together"]
    balanced = quantise(chain(), SAMPLES, replace(config, recipe="balanced"))
    assert found.candidates >= balanced.candidates + 10
    assert rung.before == balanced.score
    if rung.is_kept:
        assert "best of 10 pairs" in rung.note
        assert found.score.judged_db > balanced.score.judged_db
    else:
        assert found.score == balanced.score


def test_ranges_that_give_up_one_sample_in_sixteen_are_left_out() -> None:
    """Those that decide do not hold it; of those that calibrate, one in sixteen reaches further."""
    random = np.random.default_rng(3)
    usual = list(random.standard_normal((64, 1, 3, 8, 8)).astype(np.float32))
    judges = {each.tobytes() for each in divide(usual).held_out}
    samples = [
        each if number % 16 or each.tobytes() in judges else 12 * each
        for number, each in enumerate(usual)
    ]
    model = chain(is_balanced=True)
    clipped = quantise(model, samples, QuantConfig("fast", "sample-mean"))
    found = quantise(model, samples, QuantConfig("fast"))
    assert clipped.score.judged_db > found.score.judged_db + 1
    assert found.state.observer != "sample-mean"
    rare = [each for each in samples if np.abs(each).max() > 12]
    of_rare = {
        name: found.bench.judges.compare(qdq, Answered(model, rare)).sqnr_db
        for name, qdq in (
            ("first", found.first.qdq),
            ("found", found.model),
            ("clipped", clipped.model),
        )
    }
    assert of_rare["found"] > of_rare["first"] - 1
    assert of_rare["clipped"] < of_rare["first"] - 6


def test_a_weight_that_two_nodes_share_is_no_reason_to_refuse_a_graph() -> None:
    random = np.random.default_rng(0)
    weight = random.standard_normal((3, 3, 1, 1)).astype(np.float32)
    samples = list(random.standard_normal((8, 1, 3, 6, 6)).astype(np.float32))
    model = network("a = Conv (x, w) y = Conv (a, w)", {"w": weight}, reads="float[N, 3, 6, 6] x")
    integer = quantise(model, samples, QuantConfig("fast")).model
    assert ValueProbe(integer, ["y"]).run(samples[0])["y"].shape == (1, 3, 6, 6)


def test_the_networks_input_keeps_all_that_was_seen() -> None:
    found = quantise(chain(), SAMPLES, QuantConfig("fast", "sample-mean"))
    seen = found.state.calibration.values["x"]
    held = found.state.numbers.activations["x"].range
    step = found.state.numbers.activations["x"].scale
    assert held.low <= seen.low + step
    assert held.high >= seen.high - step
