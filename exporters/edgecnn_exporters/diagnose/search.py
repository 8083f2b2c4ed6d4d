"""Search for the culprit node: the first one that is wrong on the reference's inputs."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgecnn_exporters.diagnose.bisect import (
    ACCUMULATED_LIMIT,
    MEMORY_LIMIT_BYTES,
    accumulated_error,
    size_bytes,
    window,
)
from edgecnn_exporters.diagnose.compare import RegionComparison, compare
from edgecnn_exporters.diagnose.sources import Candidate, aligned, reference_values
from edgecnn_runtime.arrays import Array

# Nodes in a region, tried where every single node is right: a rewrite that spans several nodes
# shows only in a region that contains them all.
STRIDES = (2, 4, 8)


def first_culprit(
    reference: ir.Model, candidate: Candidate, feeds: Mapping[str, Array]
) -> tuple[RegionComparison, str] | None:
    """The first wrong value of isolated nodes, in the candidate's order; None where none is.

    Args:
        reference: in the candidate's parametrisation.

    Returns:
        The comparison that contains the value, and the value's name.
    """
    comparison = _compare_in_memory(reference, candidate, feeds)
    culprits = _without_compensated(reference, candidate, feeds, comparison)
    if not culprits:
        comparison = _compare_wider(reference, candidate, feeds, comparison)
        culprits = comparison.culprits
    return (comparison, culprits[0]) if culprits else None


def _compare_in_memory(
    reference: ir.Model, candidate: Candidate, feeds: Mapping[str, Array]
) -> RegionComparison:
    """Compare all nodes, or where memory is short those around the first wrong one."""
    batch = max(len(array) for array in feeds.values())
    if 4 * size_bytes(reference, batch) > MEMORY_LIMIT_BYTES:
        near = window(reference, candidate, feeds)
        if near is not None:
            others = frozenset(aligned(reference, candidate)) - near
            comparison = compare(reference, candidate, feeds, others)
            if comparison.culprits:
                return comparison
    return compare(reference, candidate, feeds)


def _without_compensated(
    reference: ir.Model,
    candidate: Candidate,
    feeds: Mapping[str, Array],
    comparison: RegionComparison,
) -> list[str]:
    """Wrong values, without those whose readers compensate for them.

    Two nodes that were rewritten together are each wrong alone and right as one region: leaving
    out the value between them makes the second right and no other value wrong.
    """
    culprits = comparison.culprits
    skip: frozenset[str] = frozenset()
    while len(culprits) > 1:
        name = culprits[0]
        if name in feeds:
            break
        again = compare(reference, candidate, feeds, skip | {name}, comparison.values).culprits
        if not set(again) < set(culprits) - {name}:
            break
        skip, culprits = skip | {name}, again
    return culprits


def _compare_wider(
    reference: ir.Model,
    candidate: Candidate,
    feeds: Mapping[str, Array],
    comparison: RegionComparison,
) -> RegionComparison:
    """Compare regions of several nodes, if the outputs differ although no single node does."""
    outputs = [str(value.name) for value in reference.graph.outputs]
    expected = reference_values(reference, feeds, set(outputs))
    actual = candidate.values(feeds, set(outputs))
    limit = ACCUMULATED_LIMIT[candidate.precision]
    if all(
        accumulated_error(expected[name], actual[name]) <= limit
        for name in actual
        if name in expected
    ):
        return comparison
    names = [name for name in comparison.errors if name not in {*feeds, *outputs}]
    for stride in STRIDES:
        for offset in (0, stride // 2):
            kept = set(names[offset::stride])
            skip = frozenset(name for name in names if name not in kept)
            wider = compare(reference, candidate, feeds, skip, comparison.values)
            if wider.culprits:
                return _narrow(reference, candidate, feeds, wider, names)
    return comparison


def _narrow(
    reference: ir.Model,
    candidate: Candidate,
    feeds: Mapping[str, Array],
    wide: RegionComparison,
    names: list[str],
) -> RegionComparison:
    """The comparison with its first wrong region narrowed to the nodes that show the error."""
    order = {name: place for place, name in enumerate(aligned(reference, candidate))}
    for name in names:
        kept = {*wide.errors, name}
        if name in wide.errors:
            continue
        skip = frozenset(each for each in names if each not in kept)
        narrower = compare(reference, candidate, feeds, skip, wide.values)
        # A later region may be wrong as well: only the first one counts.
        if narrower.culprits and order[narrower.culprits[0]] <= order[wide.culprits[0]]:
            wide = narrower
    return wide
