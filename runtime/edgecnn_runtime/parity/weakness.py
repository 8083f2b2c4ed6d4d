"""Weakness of an int8 artefact: it loses more of the original's answers than int8 should."""

from __future__ import annotations

from edgecnn_runtime.parity.difference import Difference
from edgecnn_runtime.parity.group_difference import GroupDifference
from edgecnn_runtime.parity.tolerances import FLOOR_DB, LEAST_RESPONSE_DB, weak_groups

# Share of inputs that a classifier gives the same class to, at least, by the lower end of its 95 %
# interval: with that, the SQNR of its logits is no matter.
AGREEMENT = 0.8
# Largest share of inputs that the original itself gives one class to: where that is all of them,
# any constant agrees.
SAME_CLASS = 0.5


def weakness(difference: Difference, is_classifier: bool) -> str | None:
    """Why an int8 artefact is weak, in words; None where it is not."""
    if keeps_classes(difference, is_classifier):
        return None
    weak = weak_groups(difference)
    if not weak:
        return None
    return _words(min(weak, key=lambda group: group.sqnr_db))


def keeps_classes(difference: Difference, is_classifier: bool) -> bool:
    """Whether a classifier keeps the class of its inputs: nothing else counts then."""
    is_telling = is_classifier and difference.top1_of_constant <= SAME_CLASS
    return is_telling and difference.top1_interval[0] >= AGREEMENT


def _words(group: GroupDifference) -> str:
    if group.is_flat:
        return f"{group.name} is the same number for every input"
    if group.sqnr_db >= FLOOR_DB:
        return (
            f"{group.name} follows its input no better than a constant would "
            f"({group.response_db:.1f} dB, expected {LEAST_RESPONSE_DB:.0f}): the original's "
            "answers hardly differ between inputs, as those of untrained weights do not"
        )
    return f"{group.name} has an SQNR of {group.sqnr_db:.1f} dB, expected {FLOOR_DB:.0f}"
