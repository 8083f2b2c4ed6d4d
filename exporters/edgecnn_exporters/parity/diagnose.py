"""Which node is at fault, and why: two networks that should be equal, and are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import onnx_ir as ir

from edgecnn_exporters.parity.align import Array, align
from edgecnn_exporters.parity.bisect import (
    GATHERED,
    IN_HAND_BYTES,
    gathered,
    size_bytes,
    window,
)
from edgecnn_exporters.parity.causes.attributes import other_attributes
from edgecnn_exporters.parity.causes.case import Case, Cause, Finding, open_case, operators_of
from edgecnn_exporters.parity.causes.encodings import other_encodings
from edgecnn_exporters.parity.causes.numbers import other_numbers
from edgecnn_exporters.parity.causes.operators import other_operators
from edgecnn_exporters.parity.causes.runtime import content_error, half_precision, other_runtime
from edgecnn_exporters.parity.compare import Comparison, compare
from edgecnn_exporters.parity.parametrisation import in_terms_of
from edgecnn_exporters.parity.sources import Suspect, reference_values

# From what is certain to what is likely: another operator explains other numbers, not vice versa.
CONTENT = (other_operators, other_attributes, half_precision, other_encodings, other_numbers)
# Values that are passed over at a time where every node alone is right: a rewrite that spans more
# than one node shows only in a region of several.
STRIDES = (2, 4, 8)


@dataclass(frozen=True)
class Diagnosis:
    """The first node that is wrong by itself, and its cause.

    Attributes:
        node: its name; for preprocessing, the network's input.
        operator: what it computes.
        suspect: the runtime, and what it ran.
        sentence: what is wrong, in the terms of the node.
        remedy: what would mend it.
        is_confirmed: the node is right once that alone is mended.
        isolated: its error when it is given the reference's inputs, over what is allowed.
        after: the same once it is mended.
        allowance: what is allowed, and why.
        also: other causes that would explain as much.
    """

    node: str
    operator: str
    suspect: str
    cause: str
    sentence: str
    remedy: str
    is_confirmed: bool
    isolated: float
    after: float
    allowance: str
    also: tuple[str, ...] = ()
    case: Case | None = field(default=None, repr=False, compare=False)

    def words(self) -> str:
        """The diagnosis for a person, in three lines."""
        sure = "" if self.is_confirmed else " (not confirmed by mending it)"
        operator = f" ({self.operator})" if self.operator else ""
        return (
            f"{self.node}{operator}: {self.cause}{sure}\n"
            f"  {self.sentence}; alone it is off by {self.isolated:.3g} times what is allowed "
            f"({self.allowance}), mended by {self.after:.2g}\n"
            f"  to mend it: {self.remedy}"
        )

    def to_json(self) -> dict[str, Any]:
        """The diagnosis as JSON values."""
        values = asdict(_without_case(self))
        del values["case"]
        return values


def diagnose(reference: ir.Model, suspect: Suspect, feeds: Mapping[str, Array]) -> Diagnosis | None:
    """The first node of `suspect`, in its order, that is wrong by itself; None where none is.

    Args:
        reference: the canonical float graph; for an int8 artefact that was made from a QDQ graph,
            that one tells more.
        feeds: the network's inputs by name, (batch, …): real ones, a silent channel hides a fault.

    Raises:
        EngineError: the runtime refuses or fails.
    """
    terms = in_terms_of(reference, suspect.says)
    comparison = _look(terms, suspect, feeds)
    name = next(iter(_guilty(terms, suspect, feeds, comparison)), None)
    if name is None:
        comparison = _look_wider(terms, suspect, feeds, comparison)
        name = next(iter(comparison.guilty), None)
    return None if name is None else _name_cause(comparison, name, suspect)


def _look(terms: ir.Model, suspect: Suspect, feeds: Mapping[str, Array]) -> Comparison:
    """All nodes, or those around the first that is off where all would not fit into memory."""
    batch = max(len(array) for array in feeds.values())
    if 4 * size_bytes(terms, batch) > IN_HAND_BYTES:
        near = window(terms, suspect, feeds)
        if near is not None:
            others = frozenset(align(terms, suspect.says)) - near
            comparison = compare(terms, suspect, feeds, others)
            if comparison.guilty:
                return comparison
    return compare(terms, suspect, feeds)


def _guilty(
    terms: ir.Model, suspect: Suspect, feeds: Mapping[str, Array], comparison: Comparison
) -> list[str]:
    """Who is off by himself, without those whose readers make up for it.

    Two nodes that were rewritten together are both off alone, and right as one: passing over the
    value between them makes the second right and nobody else wrong.
    """
    guilty = comparison.guilty
    skip: frozenset[str] = frozenset()
    passed = 0
    while passed < len(guilty) and len(guilty) > 1:
        name = guilty[passed]
        again = compare(terms, suspect, feeds, skip | {name}, comparison.values).guilty
        if set(again) < set(guilty) - {name}:
            skip, guilty = skip | {name}, again
            continue
        break
    return guilty


def _look_wider(
    terms: ir.Model, suspect: Suspect, feeds: Mapping[str, Array], comparison: Comparison
) -> Comparison:
    """Regions of several nodes, where the outputs differ and no node does."""
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
                return wider
    return comparison


def _name_cause(comparison: Comparison, name: str, suspect: Suspect) -> Diagnosis:
    case = open_case(comparison, name, suspect)
    if content_error(case).is_within:
        findings = other_runtime(case, comparison.suspect, dict(comparison.values))
    else:
        findings = (finding for examine in CONTENT for finding in examine(case))
    best, others = _choose(findings)
    kinds = " and ".join(node.op_type for node in operators_of(case.theirs)[-3:])
    if best is None:
        sentence = f"{kinds} makes other values than the original's {_kinds(case)}"
        best = Finding(Cause.KERNEL, sentence, "compare the node with the original's", float("inf"))
    node, operator = best.node or (case.point.node, case.point.operator or "input")
    return Diagnosis(
        node=node,
        operator=operator,
        suspect=f"{suspect.name} ({suspect.precision})",
        cause=best.cause.value,
        sentence=best.sentence,
        remedy=best.remedy,
        is_confirmed=best.is_confirmed,
        isolated=float(case.error.ratio),
        after=float(best.ratio),
        allowance=case.allowed.reason,
        also=tuple(f"{each.cause.value}: {each.sentence}" for each in others),
        case=case,
    )


def _choose(findings: Iterator[Finding]) -> tuple[Finding | None, list[Finding]]:
    """The first that is confirmed, of the numbers the one that leaves least; and who else was."""
    found = list(findings)
    confirmed = [each for each in found if each.is_confirmed]
    if confirmed:
        return confirmed[0], confirmed[1:]
    return min(found, key=lambda each: each.ratio, default=None), []


def _kinds(case: Case) -> str:
    return " and ".join(node.op_type for node in operators_of(case.ours)) or "input"


def _without_case(diagnosis: Diagnosis) -> Diagnosis:
    from dataclasses import replace

    return replace(diagnosis, case=None)
