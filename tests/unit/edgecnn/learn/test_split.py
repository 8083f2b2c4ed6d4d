"""Held-out images: a share of each class, at least one, the same by the same seed."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn.errors import DataUnreadable
from edgecnn.learn.split import set_apart

LABELS = np.array([0] * 10 + [2] * 3 + [1] * 40)
NAMES = ("ant", "bee", "cat")


def test_each_class_gives_its_share_and_at_least_one() -> None:
    learnt, held_out = set_apart(LABELS, 0.2, 0, NAMES, "photos")
    assert np.bincount(LABELS[held_out]).tolist() == [2, 8, 1]
    assert sorted([*learnt, *held_out]) == list(range(len(LABELS)))
    learnt, held_out = set_apart(LABELS, 0.99, 0, NAMES, "photos")
    assert np.bincount(LABELS[learnt]).tolist() == [1, 1, 1]


def test_the_seed_chooses_them() -> None:
    first, again, other = (set_apart(LABELS, 0.3, seed, NAMES, "")[1] for seed in (5, 5, 6))
    assert first.tolist() == again.tolist() != other.tolist()


def test_a_further_class_leaves_the_others_as_they_are() -> None:
    few = set_apart(LABELS[:10], 0.3, 5, NAMES, "")[1]
    assert [index for index in set_apart(LABELS, 0.3, 5, NAMES, "")[1] if index < 10] == [*few]


def test_a_class_of_one_image_is_refused() -> None:
    with pytest.raises(DataUnreadable, match="class bee of photos has 1 image, expected two"):
        set_apart(np.array([0, 0, 1]), 0.2, 0, NAMES, "photos")
