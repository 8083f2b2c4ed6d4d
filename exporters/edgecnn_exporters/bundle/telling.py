"""Outputs of the original that prove little: constant, all zero, saturated, or hardly changing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from edgecnn_exporters.capture.reference import Example, references
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.parity.difference import Groups, compare
from edgecnn_runtime.parity.group_difference import GroupDifference
from edgecnn_runtime.parity.tolerances import LEAST_OF_FULL_SCALE

# Share of an output's values at one end of its range from which it is saturated.
SATURATED = 0.95


def little_proven(examples: Sequence[Example], groups: Groups) -> list[str]:
    """A warning, in words, for each output whose answers prove little.

    Args:
        examples: inputs that differ, with the original's outputs.
    """
    if len(examples) < 2:
        return []
    warnings = []
    for name in examples[0][1]:
        said = _constant_or_saturated([np.asarray(outputs[name]) for _, outputs in examples])
        if said is not None:
            warnings.append(f"{name} {said}: agreement there proves nothing")
    told = {warning.split()[0] for warning in warnings}
    return [*warnings, *(each for each in _hardly_changing(examples, groups, told))]


def _constant_or_saturated(answers: Sequence[Array]) -> str | None:
    first = answers[0]
    if all(np.array_equal(first, other) for other in answers[1:]):
        return "is all zero" if not first.any() else "is the same for every input"
    if first.dtype.kind != "f":
        return None
    every = np.concatenate([answer.reshape(-1) for answer in answers])
    for end, word in ((every.min(), "least"), (every.max(), "greatest")):
        share = float((every == end).mean())
        if share >= SATURATED:
            return f"is saturated: {share:.1%} of its values are its {word}, {end:.3g}"
    return None


def _largest(group: GroupDifference) -> float:
    return max(abs(group.group.low), abs(group.group.high))


def _hardly_changing(examples: Sequence[Example], groups: Groups, told: set[str]) -> Iterator[str]:
    measured = compare(references(examples), groups)
    for group in measured.groups:
        full_scale = group.group.full_scale
        if full_scale is not None and _largest(group) <= LEAST_OF_FULL_SCALE * full_scale:
            yield (
                f"{group.name} is next to nothing on these inputs: {_largest(group):.0e} at most, "
                f"of {full_scale:g}: agreement there proves little"
            )
            continue
        if group.responds or group.is_constant or group.output in told:
            continue
        yield (
            f"{group.name} hardly changes between inputs, as the answers of untrained weights do "
            "not: what 8 bits cost a trained network cannot be seen in it"
        )
