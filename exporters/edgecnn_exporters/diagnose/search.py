"""Search for the culprit node: the first one that is wrong on the reference's inputs."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgecnn_exporters.diagnose.bisect import GATHERED, IN_HAND_BYTES, gathered, size_bytes, window
from edgecnn_exporters.diagnose.compare import RegionComparison, compare
from edgecnn_exporters.diagnose.sources import Suspect, aligned, reference_values
from edgecnn_runtime.arrays import Array

# Values that are passed over at a time where every node alone is right: a rewrite that spans more
# than one node shows only in a region of several.
STRIDES = (2, 4, 8)


def first_guilty(
    terms: ir.Model, suspect: Suspect, feeds: Mapping[str, Array]
) -> tuple[RegionComparison, str] | None:
    """The first wrong value of isolated nodes, in the candidate's order; None where none is.

    Args:
        terms: the reference, in the suspect's terms.

    Returns:
        The comparison in which it is, and its name.
    """
    comparison = _look(terms, suspect, feeds)
    guilty = _without_pairs(terms, suspect, feeds, comparison)
    if not guilty:
        comparison = _look_wider(terms, suspect, feeds, comparison)
        guilty = comparison.guilty
    return (comparison, guilty[0]) if guilty else None


def _look(terms: ir.Model, suspect: Suspect, feeds: Mapping[str, Array]) -> RegionComparison:
    """Compare all nodes, or those around the first wrong one where memory does not hold all."""
    batch = max(len(array) for array in feeds.values())
    if 4 * size_bytes(terms, batch) > IN_HAND_BYTES:
        near = window(terms, suspect, feeds)
        if near is not None:
            others = frozenset(aligned(terms, suspect)) - near
            comparison = compare(terms, suspect, feeds, others)
            if comparison.guilty:
                return comparison
    return compare(terms, suspect, feeds)


def _without_pairs(
    terms: ir.Model, suspect: Suspect, feeds: Mapping[str, Array], comparison: RegionComparison
) -> list[str]:
    """Wrong values, without those whose readers compensate for them.

    Two nodes that were rewritten together are both off alone, and right as one: passing over the
    value between them makes the second right and nobody else wrong.
    """
    guilty = comparison.guilty
    skip: frozenset[str] = frozenset()
    while len(guilty) > 1:
        name = guilty[0]
        again = compare(terms, suspect, feeds, skip | {name}, comparison.values).guilty
        if not set(again) < set(guilty) - {name}:
            break
        skip, guilty = skip | {name}, again
    return guilty


def _look_wider(
    terms: ir.Model, suspect: Suspect, feeds: Mapping[str, Array], comparison: RegionComparison
) -> RegionComparison:
    """Compare regions of several nodes, where the outputs differ and no single node does."""
    outputs = [str(value.name) for value in terms.graph.outputs]
    expected = reference_values(terms, feeds, set(outputs))
    found = suspect.values(feeds, set(outputs))
    limit = GATHERED[suspect.precision]
    if all(gathered(expected[name], found[name]) <= limit for name in found if name in expected):
        return comparison
    names = [name for name in comparison.errors if name not in {*feeds, *outputs}]
    for stride in STRIDES:
        for offset in (0, stride // 2):
            kept = set(names[offset::stride])
            skip = frozenset(name for name in names if name not in kept)
            wider = compare(terms, suspect, feeds, skip, comparison.values)
            if wider.guilty:
                return _narrow(terms, suspect, feeds, wider, names)
    return comparison


def _narrow(
    terms: ir.Model,
    suspect: Suspect,
    feeds: Mapping[str, Array],
    wide: RegionComparison,
    names: list[str],
) -> RegionComparison:
    """The same with as few nodes in the first culprit region as show the difference."""
    order = {name: place for place, name in enumerate(aligned(terms, suspect))}
    for name in names:
        kept = {*wide.errors, name}
        if name in wide.errors:
            continue
        skip = frozenset(each for each in names if each not in kept)
        narrower = compare(terms, suspect, feeds, skip, wide.values)
        # Another region further on may be off as well: the first one is looked for.
        if narrower.guilty and order[narrower.guilty[0]] <= order[wide.guilty[0]]:
            wide = narrower
    return wide
