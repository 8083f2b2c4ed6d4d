from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from edgecnn_exporters.quantise.calibrate.held_out import divide
from edgecnn_exporters.quantise.calibrate.samples import Spool, names_of


def numbered(count: int, cycle: int | None = None) -> list[np.ndarray]:
    """Samples that hold their number, or that modulo the cycle."""
    return [np.full((1, 1), number % (cycle or count), np.float32) for number in range(count)]


def values(samples: object) -> list[int]:
    return [int(each[0, 0]) for each in samples]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("count", "judges", "fresh"),
    [(16, 8, 0), (23, 8, 0), (32, 8, 0), (47, 11, 0), (64, 16, 8), (125, 31, 16), (128, 32, 16)],
)
def test_at_least_eight_judge_and_do_not_calibrate(count: int, judges: int, fresh: int) -> None:
    found = divide(numbered(count))
    assert (len(found.held_out), len(found.fresh)) == (judges, fresh)
    every = values(found.held_out) + values(found.fit) + values(found.fresh)
    assert sorted(every) == list(range(count))
    assert found.independent == judges + fresh
    assert not found.notes


def test_further_samples_are_the_fresh_ones_but_for_copies() -> None:
    found = divide(numbered(128), numbered(140)[120:])
    assert (len(found.held_out), len(found.fit)) == (32, 96)
    assert values(found.fresh) == list(range(128, 140))
    assert found.independent == 32 + 12


def test_every_input_of_a_fixed_batch_counts() -> None:
    found = divide([np.full((2, 1), number, np.float32) for number in range(16)])
    assert found.independent == 2 * 8


def test_fresh_samples_keep_their_names() -> None:
    with Spool(numbered(64), [f"{number}.jpg" for number in range(64)]) as source:
        found = divide(source)
        assert names_of(found.fresh) == [f"{number}.jpg" for number in values(found.fresh)]


@pytest.mark.parametrize("count", [16, 32, 64, 128])
def test_samples_that_come_in_turns_of_four_judge_alike(count: int) -> None:
    """As the photographs do: a judge of every one of the four, equally often."""
    photographs = Counter(number % 4 for number in values(divide(numbered(count)).held_out))
    assert set(photographs) == {0, 1, 2, 3}
    assert len(set(photographs.values())) == 1


@pytest.mark.parametrize("sources", [2, 3, 5, 7, 8])
def test_samples_of_several_sources_in_turn_all_have_judges(sources: int) -> None:
    judged = {number % sources for number in values(divide(numbered(96)).held_out)}
    assert judged == set(range(sources))


@pytest.mark.parametrize("count", [1, 5, 15])
def test_few_samples_do_both_and_that_is_said(count: int) -> None:
    found = divide(numbered(count))
    assert values(found.held_out) == values(found.fit) == list(range(count))
    (note,) = found.notes
    assert note.startswith(f"{count} different samples calibrate and judge")


def test_copies_neither_judge_twice_nor_calibrate_what_they_judge() -> None:
    found = divide(numbered(60, cycle=20))
    judges, fit = values(found.held_out), values(found.fit)
    assert len(judges) == len(set(judges)) == 8
    assert not set(judges) & set(fit)
    assert len(fit) == 36


def test_copies_of_a_few_samples_are_a_few_samples() -> None:
    assert divide(numbered(60, cycle=6)).notes
