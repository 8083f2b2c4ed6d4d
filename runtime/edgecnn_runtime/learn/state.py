"""State of a learning session as arrays: ranges that were seen, and the check of a given state."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.encoding import Range
from edgecnn_runtime.errors import LearningFailed
from edgecnn_runtime.training import RANGE, Training


def range_arrays(ranges: Mapping[str, Range]) -> dict[str, Array]:
    """Least and greatest, float32 (2,), of each value, by ``VALUE.range``."""
    return {
        f"{name}{RANGE}": np.array([seen.low, seen.high], np.float32)
        for name, seen in ranges.items()
    }


def ranges_of(training: Training, state: Mapping[str, Array]) -> dict[str, Range]:
    """The ranges among the arrays of a state, by the value's name."""
    return {
        seen.value: Range(*map(float, state[f"{seen.value}{RANGE}"]))
        for seen in training.ranges
        if f"{seen.value}{RANGE}" in state
    }


def check_state(own: Mapping[str, Array], given: Mapping[str, Array]) -> None:
    """Check that a given state has what ours has, but for ranges that were not seen yet.

    Raises:
        LearningFailed: names what is missing or of another shape.
    """
    for name, array in own.items():
        is_like = name in given and given[name].shape == array.shape
        if not is_like and not name.endswith(RANGE):
            raise LearningFailed(
                f"the state is of another bundle: {name} is missing or of another shape; nothing "
                "was restored"
            )
