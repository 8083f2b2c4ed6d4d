"""McNemar's test against values worked out by hand, and the pairing of answers."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.evaluate.paired import Paired, compare, mcnemar


@pytest.mark.parametrize(
    ("lost", "won", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 5, 1.0),
        (6, 0, 2 / 2**6),
        (0, 6, 2 / 2**6),
        # 2 · (C(9, 0) + C(9, 1)) / 2⁹
        (8, 1, 2 * (1 + 9) / 2**9),
        # scipy.stats.binomtest(30, 100).pvalue
        (30, 70, 7.85013964559367e-05),
    ],
)
def test_p_is_exact(lost: int, won: int, p: float) -> None:
    assert mcnemar(lost, won) == pytest.approx(p, rel=1e-9)


def test_thousands_of_changes_neither_overflow_nor_vanish_too_early() -> None:
    assert mcnemar(50_000, 50_000) == 1.0
    assert 0 < mcnemar(900, 1100) < 1e-4
    assert mcnemar(0, 5000) == 0.0


def test_answers_are_paired_image_by_image() -> None:
    labels = np.array([0, 0, 1, 1, 2])
    baseline = np.array([0, 0, 1, 2, 0])
    candidate = np.array([0, 1, 0, 1, 1])
    # Kept; lost; lost; won; wrong in two ways.
    assert compare(baseline, candidate, labels) == Paired(5, 1, 2, 1, 1.0)
