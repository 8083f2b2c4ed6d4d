"""Diagnosis of a candidate against its reference: the culprit node and its cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import onnx_ir as ir

from edgecnn_exporters.diagnose.causes.attributes import other_attributes
from edgecnn_exporters.diagnose.causes.case import (
    Case,
    Cause,
    CauseFinding,
    open_case,
    operators_of,
)
from edgecnn_exporters.diagnose.causes.encodings import other_encodings
from edgecnn_exporters.diagnose.causes.norms import other_norm
from edgecnn_exporters.diagnose.causes.numbers import other_numbers
from edgecnn_exporters.diagnose.causes.operands import other_operands
from edgecnn_exporters.diagnose.causes.operators import other_operators
from edgecnn_exporters.diagnose.causes.preprocessing import error_ratio, other_preprocessing
from edgecnn_exporters.diagnose.causes.runtime import (
    content_error,
    half_precision,
    is_as_computed,
    other_runtime,
)
from edgecnn_exporters.diagnose.compare import RegionComparison
from edgecnn_exporters.diagnose.diagnosis import Diagnosis
from edgecnn_exporters.diagnose.parametrisation import reparametrise
from edgecnn_exporters.diagnose.search import first_culprit
from edgecnn_exporters.diagnose.sources import Candidate
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.manifest import Preprocess

# From what is certain to what is likely: another operator explains other numbers, not vice versa.
CONTENT = (
    *(other_norm, other_operators, other_attributes, other_operands),
    *(half_precision, other_encodings, other_numbers),
)


def diagnose(
    reference: ir.Model,
    candidate: Candidate,
    feeds: Mapping[str, Array],
    origin: ir.Model | None = None,
) -> Diagnosis | None:
    """The first node of the candidate, in its order, that is wrong by itself; None if none is.

    Args:
        reference: the canonical float graph; better the QDQ graph for an int8 artefact that was
            written from one.
        feeds: the network's inputs by name, (batch, …): real images, for a channel that stays zero
            hides a fault.
        origin: the float graph that a QDQ graph as reference was made from, where it is known.

    Raises:
        EngineError: the runtime refuses or fails.
    """
    culprit = first_culprit(reparametrise(reference, candidate.model), candidate, feeds)
    return None if culprit is None else name_cause(*culprit, candidate, origin or reference)


def name_cause(
    comparison: RegionComparison, name: str, candidate: Candidate, origin: ir.Model
) -> Diagnosis:
    """The diagnosis of one culprit value."""
    case = open_case(comparison, name, candidate, origin)
    findings = _examine(case, comparison)
    best, others = _choose(findings)
    kinds = " and ".join(node.op_type for node in operators_of(case.theirs)[-3:])
    if best is None:
        sentence = f"{kinds} computes other values than the original's {_kinds(case)}"
        best = CauseFinding(
            Cause.KERNEL, sentence, "compare the node with the original's", float("inf")
        )
    node, operator = best.node or (case.point.node, case.point.operator or "input")
    return Diagnosis(
        node=node,
        operator=operator,
        candidate=f"{candidate.name} ({candidate.precision})",
        cause=best.cause.value,
        sentence=best.sentence,
        fix=best.fix,
        is_confirmed=best.is_confirmed,
        isolated=float(case.error.ratio),
        after=float(best.ratio),
        allowance=case.allowed.reason,
        also=tuple(f"{each.cause.value}: {each.sentence}" for each in others),
        case=case,
    )


def _examine(case: Case, comparison: RegionComparison) -> Iterator[CauseFinding]:
    """Candidate causes: of the artefact's content if that is wrong, else of the runtime."""
    if not content_error(case).is_within and is_as_computed(case):
        return (finding for examine in CONTENT for finding in examine(case))
    if case.is_encoded_otherwise:
        # The node itself is right: no change but one of the encoding could be confirmed.
        return other_encodings(case)
    return other_runtime(case, comparison.candidate, dict(comparison.values))


def _choose(findings: Iterator[CauseFinding]) -> tuple[CauseFinding | None, list[CauseFinding]]:
    """The first confirmed finding, else that of least remaining error; other confirmed ones."""
    examined = list(findings)
    confirmed = [each for each in examined if each.is_confirmed]
    if confirmed:
        return confirmed[0], confirmed[1:]
    return min(examined, key=lambda each: each.ratio, default=None), []


def _kinds(case: Case) -> str:
    return " and ".join(node.op_type for node in operators_of(case.ours)) or "input"


def diagnose_preprocessing(
    spec: Preprocess, pairs: Sequence[tuple[Array, Array]], name: str
) -> Diagnosis | None:
    """Diagnose wrong preprocessing; None where it is within a grey level.

    Args:
        spec: the bundle's.
        pairs: golden image, (H, W, 3) uint8, and golden input of the network.
        name: of the network's input.
    """
    ratio = error_ratio(spec, pairs)
    if ratio <= 1.0:
        return None
    best, others = _choose(other_preprocessing(spec, pairs))
    assert best is not None
    if not best.is_confirmed:
        sentence = (
            f"the golden inputs differ from the preprocessed images, perhaps: {best.sentence}"
        )
        best = replace(best, sentence=sentence)
    return Diagnosis(
        node=name,
        operator="input",
        candidate="preprocessing",
        cause=Cause.PREPROCESSING.value,
        sentence=best.sentence,
        fix=best.fix,
        is_confirmed=best.is_confirmed,
        isolated=ratio,
        after=best.ratio,
        allowance="one grey level",
        also=tuple(each.sentence for each in others),
    )
