from __future__ import annotations

import pytest

from edgecnn_runtime.parity.proportion import samples_to_show, wilson_interval


def test_the_interval_is_wilsons() -> None:
    # Wilson 1927; 95 of 100 as any table of the score interval lists it.
    assert wilson_interval(95, 100) == pytest.approx((0.8882, 0.9785), abs=1e-4)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.98, 0.999])
def test_one_sample_less_does_not_show_the_share(share: float) -> None:
    needed = samples_to_show(share)
    assert needed is not None
    assert wilson_interval(needed, needed)[0] >= share
    assert wilson_interval(needed - 1, needed - 1)[0] < share


def test_no_number_of_samples_shows_all() -> None:
    assert samples_to_show(1.0) is None
