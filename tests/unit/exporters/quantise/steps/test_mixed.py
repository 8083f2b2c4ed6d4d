from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.errors import LimitMissed
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.ladder import quantise

RANDOM = np.random.default_rng(0)
# In an order in which a sample that loses its class is among those that judge.
SAMPLES = list(np.roll(RANDOM.standard_normal((64, 1, 3, 8, 8)).astype(np.float32), -1, axis=0))
WEIGHTS = {
    "w3": RANDOM.standard_normal((6, 3, 3, 3)),
    "w4": RANDOM.standard_normal((6, 6, 1, 1)),
    "w5": RANDOM.standard_normal((6, 6, 1, 1)),
    # Many classes near one another: a little noise is enough to take the first place from one.
    "w6": RANDOM.standard_normal((60, 6)),
}
# Of the 24 samples that do not calibrate, all must agree for it.
SHOWN = 0.86
BODY = """[one] a = Conv <pads = [1, 1, 1, 1]> (x, w3) [swish] b = HardSwish (a)
[two] c = Conv (b, w4) [act] d = HardSwish (c) [three] e = Conv (d, w5)
[pool] f = GlobalAveragePool (e) [flat] g = Flatten (f) [four] y = Gemm <transB = 1> (g, w6)"""


def model() -> ir.Model:
    weights = {name: array.astype(np.float32) for name, array in WEIGHTS.items()}
    return network(BODY, weights, answers="float[N, K] y")


def config(limit: float | None) -> QuantConfig:
    """With weights of five bits, which cost some samples their class."""
    return QuantConfig("fast", "min-max", weight_bits=5, min_agreement=limit)


def test_without_a_limit_all_stays_in_integers() -> None:
    found = quantise(model(), SAMPLES, config(None))
    assert not found.left
    assert found.score.top1_agreement < 1, "the network is meant to suffer"


def test_the_operators_that_hurt_stay_float_until_the_limit_is_met() -> None:
    found = quantise(model(), SAMPLES, config(SHOWN))
    assert found.rungs[-1].name == "mix precision"
    assert found.rungs[-1].is_kept
    assert found.bench.judges.agreement(found.model).at_least >= SHOWN
    assert found.unmixed is not None
    assert found.bench.judges.agreement(found.unmixed.qdq).at_least < SHOWN
    assert set(found.left.values()) == {"kept in float for accuracy"}
    (output,) = ValueProbe(found.model).run(SAMPLES[0]).values()
    assert np.isfinite(output).all()


def test_a_limit_that_is_met_changes_nothing() -> None:
    found = quantise(model(), SAMPLES, config(0.1))
    assert not found.left
    assert "which is enough" in found.rungs[-1].note


def test_a_limit_that_cannot_be_met_names_the_most_sensitive_operators() -> None:
    two_bits = QuantConfig("fast", "min-max", weight_bits=2, min_agreement=SHOWN)
    named = r"\d+ of 24 samples, .* was asked for; most sensitive: \w+ \(\w+, -?\d+ dB"
    with pytest.raises(LimitMissed, match=named):
        quantise(model(), SAMPLES, two_bits)


def test_mixtures_keep_more_and_more_in_float_and_remember_all_in_8_bits() -> None:
    found = quantise(model(), SAMPLES, config(None))
    assert found.unmixed is None
    mixed = list(found.mixtures())
    assert [len(each.left) for each in mixed] == sorted({len(each.left) for each in mixed})
    for number, each in enumerate(mixed):
        assert each.unmixed is found.state
        assert each.rungs[-1].is_kept
        assert each.rungs[-1].note.startswith(f"{2**number} of 9 in float: ")
        assert len([rung for rung in each.rungs if rung.name == "mix precision"]) == 1


@pytest.mark.parametrize(("limit", "said"), [(0.98, "takes 189 samples"), (1.0, "no number of")])
def test_a_limit_that_so_few_samples_cannot_show_is_refused(limit: float, said: str) -> None:
    with pytest.raises(LimitMissed, match=said):
        quantise(model(), SAMPLES, config(limit))


def test_a_limit_is_shown_with_all_samples_that_do_not_calibrate() -> None:
    more = list(RANDOM.standard_normal((40, 1, 3, 8, 8)).astype(np.float32))
    found = quantise(model(), SAMPLES, config(0.1), fresh=more)
    assert found.bench.judges.agreement(found.model).total == 16 + 40


def test_what_was_mixed_to_reach_a_limit_remembers_all_in_8_bits() -> None:
    found = quantise(model(), SAMPLES, config(SHOWN))
    assert found.unmixed is not None
    assert not found.unmixed.plan.kept
