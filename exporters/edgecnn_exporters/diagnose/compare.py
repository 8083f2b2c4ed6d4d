"""Comparison of a candidate with its reference, every node on the reference's inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.align import Point, points_of
from edgecnn_exporters.diagnose.allowance import Allowance, Error, allowances, judge, round_soundly
from edgecnn_exporters.diagnose.isolate import Cut, cut, without
from edgecnn_exporters.diagnose.sources import Suspect, aligned, reference_values, run_onnx
from edgecnn_runtime.arrays import Array


@dataclass(frozen=True)
class RegionComparison:
    """Comparison of two networks, region by region, on the same values.

    Attributes:
        reference, suspect: cut at the same values.
        values: the reference's, from its input.
        given: what each node of the suspect is given: `values`, in the suspect's own 8 bits.
        expected: what the reference's node makes of what is given.
        found: what the suspect's node makes of it, in its runtime.
        errors: of `found`, in the suspect's order.
    """

    reference: Cut
    suspect: Cut
    values: Mapping[str, Array]
    given: Mapping[str, Array]
    expected: Mapping[str, Array]
    found: Mapping[str, Array]
    allowed: Mapping[str, Allowance]
    errors: Mapping[str, Error]

    @property
    def guilty(self) -> list[str]:
        """The values whose error is above the allowed one, in the candidate's order."""
        return [name for name, error in self.errors.items() if not error.is_within]


def compare(
    reference: ir.Model,
    suspect: Suspect,
    feeds: Mapping[str, Array],
    skip: frozenset[str] = frozenset(),
    values: Mapping[str, Array] | None = None,
) -> RegionComparison:
    """Isolate every node of a candidate and compare its output with the reference's.

    Args:
        feeds: the network's inputs, by name.
        skip: aligned values that are passed over: the regions around them join.
        values: the reference's, where they are in hand.
    """
    points = without(aligned(reference, suspect), skip)
    if values is None:
        values = reference_values(reference, feeds, set(points))
    given = {name: _as_held(points[name], values[name]) for name in points}
    theirs = cut(suspect.says, points, values)
    own_points = {name: p for name, p in points_of(reference).items() if name in points}
    ours = cut(reference, own_points, values)
    inputs = {name: values[name] for name, point in points.items() if not point.operator}
    expected = inputs | _isolated(ours, given)
    rounded = round_soundly(reference, suspect.precision)
    twin = {} if rounded is None else _isolated(cut(rounded, own_points, values), given)
    allowed = allowances(reference, suspect.precision, points, expected, twin)
    found = {name: given[name] for name in inputs} | suspect.isolated(theirs, values)
    errors = {
        name: _with_encoding(
            judge(expected[name], found[name], allowed[name]), own_points[name], point
        )
        for name, point in points.items()
    }
    return RegionComparison(ours, theirs, values, given, expected, found, allowed, errors)


def _with_encoding(error: Error, own: Point, point: Point) -> Error:
    """The error of a value, raised to the distance of its encoding where that is wrong.

    A coarser step than the one that was to be copied, or a zero point beside that of the way to 8
    bits, may pass for rounding where it is made and cost its readers: it is at fault where it is.
    """
    if point.encoding is None:
        return error
    apart = point.encoding.inconsistency
    if own.encoding is not None:
        apart = max(apart, own.encoding.apart(point.encoding))
    return replace(error, ratio=max(error.ratio, apart))


def _as_held(point: Point, value: Array) -> Array:
    return value if point.encoding is None else point.encoding.hold(value)


def _isolated(cut: Cut, given: Mapping[str, Array]) -> dict[str, Array]:
    made = run_onnx(cut.model, list(cut.made.values()), cut.feeds(given))
    return {name: np.asarray(array) for name, array in zip(cut.made, made, strict=True)}
