"""Verdict and kind of a proof by integers: equal, a step away, or another network's."""

from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.targets.mcu.support import classifier

from edgecnn_exporters.targets.integer_proof import Answered, judge_integers
from edgecnn_exporters.targets.mcu.integers import golden_integers


@pytest.mark.parametrize(
    ("steps", "verdict", "kind"),
    [(0, "equal", "exact"), (1, "equal", "simulated"), (40, "differs", "simulated")],
)
def test_a_step_is_no_difference_and_no_exact_proof(steps: int, verdict: str, kind: str) -> None:
    network = classifier()
    answered = []
    for example, integers in zip(network.examples, golden_integers(network).outputs, strict=True):
        found = integers["y"].astype(np.int16)
        found[0, 0] += steps if found[0, 0] < 80 else -steps
        answered.append(Answered(example, {"y": found.astype(np.int8)}, integers))
    proof = judge_integers(network, "an interpreter", "", answered, 0)
    assert (proof.verdict, proof.kind) == (verdict, kind)
    wrong = len(network.examples) if steps else 0
    assert proof.integers == 1 - wrong / (10 * len(network.examples))
    if steps:
        assert f"the others within {steps} steps" in proof.note
