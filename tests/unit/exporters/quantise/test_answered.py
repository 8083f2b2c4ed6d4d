from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.quantise.chain_support import FIRST, SECOND, inputs, network

from edgecnn_exporters.quantise import answered
from edgecnn_exporters.quantise.answered import Answered
from edgecnn_exporters.quantise.graph.probe import ValueProbe

SAMPLES = list(inputs(5, 1, 3, 8, 8))


def test_outputs_are_the_float_networks_each_time() -> None:
    model = network(f"{FIRST} b = Relu (a) {SECOND}")
    found = Answered(model, SAMPLES)
    for _ in range(2):
        for sample, outputs in zip(SAMPLES, found.outputs(), strict=True):
            np.testing.assert_array_equal(outputs["y"], ValueProbe(model).run(sample)["y"])


def test_small_outputs_are_computed_once_and_large_ones_are_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = network(f"{FIRST} b = Relu (a) {SECOND}")
    size = 5 * 5 * 8 * 8 * 4
    for limit, is_kept in ((size, True), (size - 1, False)):
        monkeypatch.setattr(answered, "KEPT", limit)
        found = Answered(model, SAMPLES)
        first, second = (list(found.outputs()) for _ in range(2))
        assert all(
            (one["y"] is two["y"]) == is_kept for one, two in zip(first, second, strict=True)
        )


def test_no_samples_have_no_outputs() -> None:
    found = Answered(network(f"{FIRST} b = Relu (a) {SECOND}"), ())
    assert not len(found)
    assert list(found.outputs()) == []
