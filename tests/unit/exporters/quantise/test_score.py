from __future__ import annotations

import numpy as np
import pytest

from edgecnn_exporters.quantise.score import score
from edgecnn_runtime.parity.difference import Answer, find_groups

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.standard_normal((32, 1, 100))
GROUPS = find_groups(Answer("y", each, each) for each in LOGITS)


def outputs(logits: np.ndarray) -> list[dict[str, np.ndarray]]:
    return [{"y": each} for each in logits]


def scored(noise_db: np.ndarray):  # type: ignore[no-untyped-def]
    noise = RANDOM.standard_normal(LOGITS.shape) * 10 ** (-noise_db[:, None, None] / 20)
    return score(outputs(LOGITS), outputs(LOGITS + noise), GROUPS)


def test_equal_noise_in_every_sample_is_its_sqnr() -> None:
    found = scored(np.full(32, 20.0))
    assert found.typical_db == pytest.approx(found.sqnr_db, abs=0.1)
    assert found.sqnr_db == pytest.approx(20, abs=0.3)


def test_one_sample_with_most_of_the_noise_does_not_decide() -> None:
    noise_db = np.full(32, 30.0)
    noise_db[5] = 0.0
    found = scored(noise_db)
    assert found.sqnr_db < 16
    # The mean of the samples' dB: one of 32 lies 30 below the others.
    assert found.typical_db == pytest.approx(30 - 30 / 32, abs=0.3)
    assert found.judged_db == (found.typical_db + found.sqnr_db) / 2
    assert np.argmin(found.sample_db) == 5
    assert found.sample_db[5] == pytest.approx(0, abs=1)
    assert np.median(found.sample_db) == pytest.approx(30, abs=0.5)


def test_without_noise_it_is_infinite() -> None:
    assert score(outputs(LOGITS), outputs(LOGITS), GROUPS).judged_db == np.inf


def test_nan_is_no_score() -> None:
    assert not score(outputs(LOGITS), outputs(LOGITS * np.nan), GROUPS).judged_db > 0
