"""The culprit node in both graphs: its regions, their inputs, and trials of a fix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.align import Point, points_of
from edgecnn_exporters.diagnose.allowance import Allowance, Error, measure_error
from edgecnn_exporters.diagnose.compare import RegionComparison
from edgecnn_exporters.diagnose.isolate import Cut, cut, region
from edgecnn_exporters.diagnose.sources import Candidate, run_onnx
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.errors import EngineError

BORDERS = ("QuantizeLinear", "DequantizeLinear", "Cast", "Identity", "Constant")


class Cause(Enum):
    """Causes of a difference: a closed list."""

    EXPORT_SEMANTICS = "export semantics"
    GRAPH_OPTIMISER = "graph optimiser"
    WEIGHT_RANGE = "weight range"
    ACTIVATION_OUTLIER = "activation outlier"
    SATURATION = "u8s8 saturation"
    PRECISION = "precision fallback"
    LAYOUT = "layout or padding"
    KERNEL = "wrong kernel or attribute"
    PREPROCESSING = "preprocessing"
    LABELS = "labels"


@dataclass(frozen=True)
class CauseFinding:
    """A possible cause, with the error that remains once it is fixed.

    Attributes:
        sentence: the error, in terms of the node.
        fix: the change that would correct it.
        ratio: of the node's error to the allowed one after the fix; at most 1 confirms the cause.
        node: name and operator of the node to fix within the region; None for the whole region.
    """

    cause: Cause
    sentence: str
    fix: str
    ratio: float
    node: tuple[str, str] | None = None

    @property
    def is_confirmed(self) -> bool:
        return self.ratio <= 1.0


@dataclass(frozen=True)
class Case:
    """A wrong value of an isolated node, with both graphs' regions and their inputs.

    Attributes:
        own, point: the value in the reference and in the candidate.
        ours, theirs: the region that computes it in each, a model with inputs ``NAME@fed``.
        cut: the candidate's graph, of which `theirs` is a region.
        feeds: the inputs of both regions, as the reference computes them.
        given: the same, rounded to the candidate's encodings; `expected` is computed from these.
        actual: the output of the candidate's runtime.
        error: of `actual`.
        origin: the float graph, as the exporter made it: its batch normalisations have parameters.
    """

    name: str
    own: Point
    point: Point
    candidate: Candidate
    ours: ir.Model
    theirs: ir.Model
    cut: Cut
    feeds: Mapping[str, Array]
    given: Mapping[str, Array]
    expected: Array
    actual: Array
    allowed: Allowance
    error: Error
    origin: ir.Model

    @property
    def is_encoded_otherwise(self) -> bool:
        """Whether the value's encoding is inconsistent, or differs from the reference's."""
        own, other = self.own.encoding, self.point.encoding
        if other is None:
            return False
        if self.point.declared_scale is not None:
            return True
        return other.inconsistency > 0 or (own is not None and own.distance(other) > 0)

    def error_of(self, model: ir.Model) -> Error:
        """Error of a region's output on the case's inputs, computed in float."""
        try:
            (output,) = run_onnx(model, [str(model.graph.outputs[0].name)], self.feeds)
        except EngineError:  # a region whose shapes no longer fit
            return Error(np.inf, np.inf, np.inf, np.inf)
        return measure_error(self.expected, output, self.allowed)

    def ratio_after(self, edit: Callable[[ir.Model], None]) -> float:
        """Error ratio of the candidate's region after `edit` has changed a copy of it."""
        copy = self.theirs.clone()
        edit(copy)
        return self.error_of(copy).ratio


def open_case(
    comparison: RegionComparison, name: str, candidate: Candidate, origin: ir.Model
) -> Case:
    """The case of one culprit value."""
    ours, theirs = comparison.reference, comparison.candidate
    if candidate.content is not candidate.model:
        theirs = _cut_content(comparison, name, candidate.content) or theirs
    feeds = {**theirs.feeds(comparison.values), **ours.feeds(comparison.values)}
    given = {**theirs.feeds(comparison.given), **ours.feeds(comparison.given)}
    return Case(
        name=name,
        own=ours.points[name],
        point=theirs.points[name],
        candidate=candidate,
        ours=region(ours, name),
        theirs=region(theirs, name),
        cut=theirs,
        feeds=feeds,
        given=given,
        expected=comparison.expected[name],
        actual=comparison.actual[name],
        allowed=comparison.allowed[name],
        error=comparison.errors[name],
        origin=origin,
    )


def _cut_content(comparison: RegionComparison, name: str, content: ir.Model) -> Cut | None:
    """What the candidate's file holds, cut where the candidate is; None if it lacks the value."""
    known = comparison.candidate.points
    points = {key: point for key, point in points_of(content).items() if key in known}
    return cut(content, points, comparison.values) if name in points else None


def named(node: ir.Node) -> tuple[str, str]:
    """Name and operator."""
    return str(node.name), node.op_type


def operators_of(model: ir.Model) -> list[ir.Node]:
    """Nodes of a region without those that only convert a value, in order."""
    nodes = list(model.graph)
    return [node for node in nodes if node.op_type not in BORDERS]
