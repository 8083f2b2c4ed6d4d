from __future__ import annotations

import numpy as np
import pytest

from edgecnn_exporters.errors import CalibrationFailed
from edgecnn_exporters.quantise.calibrate.samples import Spool

SAMPLES = np.random.default_rng(0).standard_normal((5, 1, 3, 4, 4)).astype(np.float32)


def test_a_generator_can_be_gone_through_again_and_again() -> None:
    with Spool(sample for sample in SAMPLES) as spool:
        assert len(spool) == 5
        for _ in range(2):
            np.testing.assert_array_equal(np.stack(list(spool)), SAMPLES)


def test_two_may_go_through_at_once() -> None:
    with Spool(SAMPLES) as spool:
        for one, other in zip(spool, spool, strict=True):
            np.testing.assert_array_equal(one, other)


def test_integers_become_floats() -> None:
    with Spool([np.ones((1, 2), np.uint8)]) as spool:
        (found,) = spool
        assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        ([], "no samples"),
        ([np.ones((1, 2)), np.ones((1, 3))], "sample 1 is 1x3, those before it 1x2"),
        ([np.full((1, 2), np.nan)], "sample 0 holds NaN"),
        ([np.array(["a"])], "expected numbers"),
    ],
)
def test_what_cannot_calibrate_is_refused(samples: list[np.ndarray], said: str) -> None:
    with pytest.raises(CalibrationFailed, match=said):
        Spool(samples)
