"""The culprit node under examination: both graphs' regions, their inputs, and trial mends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.align import Point
from edgecnn_exporters.diagnose.allowance import Allowance, Error, judge
from edgecnn_exporters.diagnose.compare import RegionComparison
from edgecnn_exporters.diagnose.isolate import Cut, region
from edgecnn_exporters.diagnose.sources import Suspect, run_onnx
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.errors import EngineError

BORDERS = ("QuantizeLinear", "DequantizeLinear", "Cast", "Identity", "Constant")


class Cause(Enum):
    """Why an artefact differs. The list is closed."""

    EXPORT_SEMANTICS = "export semantics"
    GRAPH_OPTIMISER = "graph optimiser"
    WEIGHT_RANGE = "weight range"
    ACTIVATION_OUTLIER = "activation outlier"
    SATURATION = "u8s8 saturation"
    PRECISION = "precision fallback"
    LAYOUT = "layout or padding"
    KERNEL = "wrong kernel or attribute"
    PREPROCESSING = "preprocessing"


@dataclass(frozen=True)
class CauseFinding:
    """A cause, and whether it was confirmed.

    Attributes:
        sentence: what is wrong, in the terms of the node.
        remedy: what would mend it.
        ratio: of the node's error to what is allowed, once it is mended; at most 1 confirms it.
        node: the name and the operator of the node within the region that is to be mended; None
            where it is the whole region.
    """

    cause: Cause
    sentence: str
    remedy: str
    ratio: float
    node: tuple[str, str] | None = None

    @property
    def is_confirmed(self) -> bool:
        return self.ratio <= 1.0


@dataclass(frozen=True)
class Case:
    """A wrong value of an isolated node, with both graphs' regions and their inputs.

    Attributes:
        own, point: the value in the reference and in the suspect.
        ours, theirs: what computes it, a model of its own with inputs ``NAME@fed``.
        cut: the suspect that `theirs` is a region of.
        feeds: these inputs, as the reference makes them.
        given: the same in the suspect's 8 bits, which is what `expected` is made of.
        error: of what the suspect's runtime made.
    """

    name: str
    own: Point
    point: Point
    suspect: Suspect
    ours: ir.Model
    theirs: ir.Model
    cut: Cut
    feeds: Mapping[str, Array]
    given: Mapping[str, Array]
    expected: Array
    found: Array
    allowed: Allowance
    error: Error

    @property
    def is_encoded_otherwise(self) -> bool:
        """Whether the value's encoding is inconsistent, or differs from the reference's."""
        own, other = self.own.encoding, self.point.encoding
        if other is None:
            return False
        return other.inconsistency > 0 or (own is not None and own.apart(other) > 0)

    def error_of(self, model: ir.Model) -> Error:
        """Error of a region's output on the case's inputs, computed in float."""
        try:
            (made,) = run_onnx(model, [str(model.graph.outputs[0].name)], self.feeds)
        except EngineError:  # it refuses a region whose shapes no longer fit
            return Error(np.inf, np.inf, np.inf, np.inf)
        return judge(self.expected, made, self.allowed)

    def mended(self, edit: Callable[[ir.Model], None]) -> float:
        """Error ratio of the candidate's region after `edit` has changed a copy of it."""
        copy = self.theirs.clone()
        edit(copy)
        return self.error_of(copy).ratio


def open_case(comparison: RegionComparison, name: str, suspect: Suspect) -> Case:
    """The case of one culprit value."""
    ours, theirs = comparison.reference, comparison.suspect
    feeds = {**theirs.feeds(comparison.values), **ours.feeds(comparison.values)}
    given = {**theirs.feeds(comparison.given), **ours.feeds(comparison.given)}
    return Case(
        name=name,
        own=ours.points[name],
        point=theirs.points[name],
        suspect=suspect,
        ours=region(ours, name),
        theirs=region(theirs, name),
        cut=theirs,
        feeds=feeds,
        given=given,
        expected=comparison.expected[name],
        found=comparison.found[name],
        allowed=comparison.allowed[name],
        error=comparison.errors[name],
    )


def named(node: ir.Node) -> tuple[str, str]:
    """Name and operator."""
    return str(node.name), node.op_type


def operators_of(model: ir.Model) -> list[ir.Node]:
    """The nodes of a region that compute something, in order."""
    nodes = list(model.graph)
    return [node for node in nodes if node.op_type not in BORDERS]
