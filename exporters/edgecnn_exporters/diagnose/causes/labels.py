"""Cause: labels in another order or number than the network's classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecnn_exporters.diagnose.causes.case import Cause, CauseFinding


def other_labels(
    labels: Sequence[str], answers: Sequence[tuple[int, str]], classes: int | None
) -> CauseFinding | None:
    """The shift of a list of labels with which golden answers have their recorded labels.

    Args:
        answers: class of each golden answer, and its label where the network was exported.
        classes: number of the network's.
    """
    if all(best < len(labels) and labels[best] == wanted for best, wanted in answers):
        if len(labels) == classes:
            return None
        sentence = f"{len(labels)} labels for {classes} classes"
        fix = "write one label a line for each class, in class order"
        return CauseFinding(Cause.LABELS, sentence, fix, float(np.inf))
    for by in _shifts(len(labels), classes):
        if all(labels[(best + by) % len(labels)] == wanted for best, wanted in answers):
            way = "late" if by > 0 else "early"
            places = "one place" if abs(by) == 1 else f"{abs(by)} places"
            count = (
                ""
                if len(labels) == classes
                else f", and they are {len(labels)} for {classes} classes"
            )
            sentence = f"the labels come {places} too {way}{count}"
            fix = f"move every label {places} to the {'front' if by > 0 else 'back'}"
            return CauseFinding(Cause.LABELS, sentence, fix, 0.0)
    best, wanted = next((b, w) for b, w in answers if b >= len(labels) or labels[b] != w)
    there = f"at {list(labels).index(wanted)}" if wanted in labels else "not in the list"
    sentence = f"class {best} was {wanted!r} where the network was exported; that label is {there}"
    fix = "write the labels in the order of the network's classes"
    return CauseFinding(Cause.LABELS, sentence, fix, float(np.inf))


def _shifts(count: int, classes: int | None) -> list[int]:
    """Shifts to try, the smallest first; none where there are no labels."""
    if not count or classes is None:
        return []
    return sorted((by for by in range(-(count // 2), count // 2 + 1) if by), key=abs)
