"""Outputs that prove little are warned of, by name."""

from __future__ import annotations

import numpy as np
import pytest

from edgecnn_exporters.bundle.telling import little_proven
from edgecnn_exporters.capture.reference import references
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.manifest import ChannelGroup
from edgecnn_runtime.parity.difference import find_groups

RNG = np.random.default_rng(0)


def warnings(*outputs: Array) -> list[str]:
    examples = [(np.zeros((1, 1), np.float32), {"y": output}) for output in outputs]
    return little_proven(examples, find_groups(references(examples)))


def test_outputs_that_follow_their_input_are_not_warned_of() -> None:
    assert warnings(*RNG.standard_normal((8, 1, 10))) == []


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (np.zeros((1, 10)), "y is all zero"),
        (np.arange(8.0).reshape(1, 2, 4), "y is the same for every input"),
    ],
)
def test_an_output_that_is_the_same_for_every_input_is_told(output: Array, said: str) -> None:
    (warning,) = warnings(output, output, output)
    assert warning == f"{said}: agreement there proves nothing"


def test_a_saturated_output_is_told_with_its_end() -> None:
    ones = np.ones((4, 1, 100))
    ones[:, 0, 0] = RNG.uniform(0, 1, 4)
    (warning,) = warnings(*ones)
    assert "y is saturated: 99.0% of its values are its greatest, 1" in warning


def test_outputs_that_hardly_change_are_told() -> None:
    (warning,) = warnings(*(np.linspace(-1, 1, 10) + RNG.standard_normal((8, 1, 10)) / 100))
    assert "y[0:10] hardly changes between inputs" in warning


def test_a_detector_that_finds_nothing_is_told() -> None:
    maps = RNG.uniform(0, 2e-7, (3, 1, 1, 8, 8))
    examples = [(np.zeros((1, 1), np.float32), {"y": one}) for one in maps]
    groups = {"y": (ChannelGroup(1, ((0, 1),), 0.0, 2e-7, full_scale=1.0),)}
    (warning,) = little_proven(examples, groups)
    assert "y[0] is next to nothing on these inputs: 2e-07 at most, of 1" in warning
