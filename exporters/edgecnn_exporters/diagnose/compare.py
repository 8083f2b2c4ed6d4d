"""Comparison of a candidate with its reference, every node on the reference's inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.align import Point, points_of
from edgecnn_exporters.diagnose.allowance import (
    Allowance,
    Error,
    allowances,
    measure_error,
    round_soundly,
)
from edgecnn_exporters.diagnose.bias_scales import declared_scales
from edgecnn_exporters.diagnose.isolate import Cut, cut, without
from edgecnn_exporters.diagnose.sources import Candidate, aligned, reference_values, run_onnx
from edgecnn_exporters.passes.graph import is_quantised
from edgecnn_runtime.arrays import Array


@dataclass(frozen=True)
class RegionComparison:
    """Comparison of two networks, region by region, on the same values.

    Attributes:
        reference, candidate: both graphs, cut at the same values.
        values: the reference's, computed from the network's input.
        given: inputs of the candidate's nodes: `values`, rounded to the candidate's own encodings.
        expected: outputs of the reference's nodes for `given`.
        actual: outputs of the candidate's nodes, computed in its runtime.
        allowed: allowed error of each value.
        errors: of `actual` against `expected`, in the candidate's order.
    """

    reference: Cut
    candidate: Cut
    values: Mapping[str, Array]
    given: Mapping[str, Array]
    expected: Mapping[str, Array]
    actual: Mapping[str, Array]
    allowed: Mapping[str, Allowance]
    errors: Mapping[str, Error]

    @property
    def culprits(self) -> list[str]:
        """The values whose error is above the allowed one, in the candidate's order."""
        return [name for name, error in self.errors.items() if not error.is_within]


def compare(
    reference: ir.Model,
    candidate: Candidate,
    feeds: Mapping[str, Array],
    skip: frozenset[str] = frozenset(),
    values: Mapping[str, Array] | None = None,
) -> RegionComparison:
    """Isolate every node of a candidate and compare its output with the reference's.

    Args:
        feeds: the network's inputs, by name.
        skip: aligned values to leave out: the regions around them join.
        values: the reference's, where they are known already.
    """
    points = without(aligned(reference, candidate), skip)
    if not is_quantised(reference):
        for name, scale in declared_scales(reference, candidate.model, points).items():
            points[name] = replace(points[name], declared_scale=scale)
    if values is None:
        values = reference_values(reference, feeds, set(points))
    given = {name: _encoded(points[name], values[name]) for name in points}
    theirs = cut(candidate.model, points, values)
    own_points = {name: p for name, p in points_of(reference).items() if name in points}
    ours = cut(reference, own_points, values)
    inputs = {name: values[name] for name, point in points.items() if not point.operator}
    expected = inputs | _isolated(ours, given)
    rounded = round_soundly(reference, candidate.precision)
    twin = {} if rounded is None else _isolated(cut(rounded, own_points, values), given)
    allowed = allowances(reference, candidate.precision, points, expected, twin)
    actual = {name: given[name] for name in inputs} | candidate.isolated(theirs, values)
    errors = {
        name: _with_encoding(
            measure_error(expected[name], actual[name], allowed[name]), own_points[name], point
        )
        for name, point in points.items()
    }
    return RegionComparison(ours, theirs, values, given, expected, actual, allowed, errors)


def _with_encoding(error: Error, own: Point, point: Point) -> Error:
    """The error of a value, raised to the distance of its encoding where that is wrong.

    A step coarser than the reference's, or a DequantizeLinear with another zero point than its
    QuantizeLinear, may pass for rounding at the value itself and show only in its readers. The
    error is assigned to the value.
    """
    if point.encoding is None:
        return error
    distance = point.encoding.inconsistency
    if point.declared_scale is not None:
        fixed = replace(point.encoding, scale=point.declared_scale, back_scale=point.declared_scale)
        distance = max(distance, fixed.distance(point.encoding))
    if own.encoding is not None:
        distance = max(distance, own.encoding.distance(point.encoding))
    return replace(error, ratio=max(error.ratio, distance))


def _encoded(point: Point, value: Array) -> Array:
    return value if point.encoding is None else point.encoding.fake_quantise(value)


def _isolated(cut: Cut, given: Mapping[str, Array]) -> dict[str, Array]:
    arrays = run_onnx(cut.model, list(cut.outputs.values()), cut.feeds(given))
    return {name: np.asarray(array) for name, array in zip(cut.outputs, arrays, strict=True)}
