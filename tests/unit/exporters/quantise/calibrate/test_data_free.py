from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.errors import CalibrationFailed
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.plan import make_plan
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.quantise.memory import fit_memory
from edgecnn_exporters.quantise.state import InMemory
from edgecnn_runtime.encoding import Range

RANDOM = np.random.default_rng(0)
SAMPLES = list(RANDOM.uniform(-1, 1, (16, 1, 3, 8, 8)).astype(np.float32))
UNIT = Range(-1, 1)
WEIGHTS = {
    "w3": RANDOM.standard_normal((6, 3, 3, 3)),
    "w4": RANDOM.standard_normal((8, 6, 1, 1)),
    "w6": RANDOM.standard_normal((5, 8)),
}
BODY = """[one] a = Conv <pads = [1, 1, 1, 1]> (x, w3) [norm1] b = BatchNormalization (a, {0})
[act] c = Relu (b) [two] d = Conv (c, w4) [norm2] e = BatchNormalization (d, {1})
[act2] f = Relu (e) [pool] g = GlobalAveragePool (f) [flat] h = Flatten (g)
[three] y = Gemm <transB = 1> (h, w6)"""


def normalised(*, is_true: bool = True) -> ir.Model:
    """A network whose batch normalisation has seen the samples, or something else altogether."""
    names = [[f"{what}{i}" for what in ("gamma", "beta", "mean", "variance")] for i in (1, 2)]
    body = BODY.format(*(", ".join(each) for each in names))
    weights = {name: array.astype(np.float32) for name, array in WEIGHTS.items()}
    channels = (6, 8)
    for each, count in zip(names, channels, strict=True):
        weights |= dict(zip(each, np.array([[1], [0], [0], [1]]) * np.ones(count), strict=True))
        weights |= {each[1]: np.linspace(-0.5, 0.5, count)}
    for each, value in zip(names, ("a", "d"), strict=True):
        weights = {name: array.astype(np.float32) for name, array in weights.items()}
        model = network(body, weights, answers="float[N, K] y")
        seen = ValueProbe(model, [value]).run(np.concatenate(SAMPLES))[value]
        weights[each[2]] = seen.mean(axis=(0, 2, 3))
        weights[each[3]] = seen.var(axis=(0, 2, 3))
    if not is_true:
        weights["mean1"] = weights["mean1"] - 400 * np.sqrt(weights["variance1"])
    model = network(body, weights, answers="float[N, K] y")
    canonicalise(model)
    return model


def test_batch_normalisation_serves_nearly_as_well_as_samples() -> None:
    told = quantise(normalised(), SAMPLES, inputs=UNIT)
    seen = quantise(normalised(), SAMPLES)
    assert told.calibrated == 0
    assert told.held_out == len(SAMPLES)
    assert told.score.sqnr_db > 25
    assert told.score.sqnr_db > seen.score.sqnr_db - 10


def test_ranges_that_do_not_hold_are_told_by_the_score() -> None:
    """Values four hundred deviations from where batch normalisation says they are."""
    found = quantise(normalised(is_true=False), SAMPLES, inputs=UNIT)
    assert found.score.sqnr_db < 10


def test_the_mean_that_coarse_weights_shift_is_taken_back() -> None:
    config = QuantConfig("balanced", "min-max", weight_bits=4)
    rungs = {rung.name: rung for rung in quantise(normalised(), SAMPLES, config, inputs=UNIT).rungs}
    rung = rungs["round and correct"]
    assert rung.note == "biases of 3 layers, by batch normalisation"
    assert rung.after is not None
    assert rung.is_kept == (rung.after.sqnr_db > rung.before.sqnr_db + 0.1)


def test_what_reads_activations_needs_samples() -> None:
    rungs = quantise(normalised(), SAMPLES, QuantConfig("best"), inputs=UNIT).rungs
    notes = {rung.name: rung.note for rung in rungs}
    assert notes["choose together"] == "it needs samples"
    assert "weights" not in notes["round and correct"]


def test_a_network_without_batch_normalisation_is_refused() -> None:
    with pytest.raises(CalibrationFailed, match="calibrate with samples"):
        quantise(network("[first] y = Conv (x, w1)"), SAMPLES, inputs=UNIT)


class TestMemory:
    MODEL = network("[first] a = Conv <pads = [1, 1, 1, 1]> (x, w1) [second] y = Conv (a, w2)")
    # x, a and y of one sample are 192, 384 and 320 numbers.
    ALONE = 4 * 192 + 4 * (192 + 384 + 320)
    IN_HAND = 4 * 192 + 20 * 384

    def fit(self, limit: int | None) -> InMemory:
        return fit_memory(self.MODEL, make_plan(self.MODEL.graph), SAMPLES[0], limit)

    def test_without_a_limit_as_many_are_in_hand_as_serve(self) -> None:
        assert self.fit(None) == InMemory()

    def test_fewer_are_in_hand_where_they_would_not_fit(self) -> None:
        assert self.fit(3 * self.IN_HAND).in_hand == 3
        assert self.fit(1_000_000_000) == InMemory()

    def test_fewer_are_looked_at_at_once_where_they_would_not_fit(self) -> None:
        both = max(self.IN_HAND, 2 * self.ALONE)
        assert self.fit(both).at_once == 2
        assert self.fit(self.IN_HAND).at_once == 1

    def test_a_sample_that_does_not_fit_is_refused_before_it_begins(self) -> None:
        with pytest.raises(CalibrationFailed, match=r"take 0.0 MB, 0.001 MB are allowed"):
            self.fit(1000)
        told: list[str] = []
        with pytest.raises(CalibrationFailed, match="--memory-limit"):
            quantise(
                self.MODEL,
                SAMPLES,
                QuantConfig(memory_limit=self.ALONE - 1),
                lambda step: lambda done: told.append(step),
            )
        assert not told

    def test_within_the_limit_it_is_quantised_with_fewer_in_hand(self) -> None:
        config = QuantConfig(memory_limit=2 * self.IN_HAND)
        (rung,) = (
            rung
            for rung in quantise(self.MODEL, SAMPLES, config).rungs
            if rung.name == "round and correct"
        )
        assert rung.note.endswith("over 2 samples")
