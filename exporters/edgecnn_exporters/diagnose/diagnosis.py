"""Result of a diagnosis: culprit node, cause and fix, in words and as JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from edgecnn_exporters.diagnose.causes.case import Case


@dataclass(frozen=True)
class Diagnosis:
    """The culprit node, the first one that is wrong by itself, and its cause.

    Attributes:
        node: its name; for preprocessing, that of the network's input.
        operator: its type.
        candidate: the runtime and the precision of the artefact, in words.
        cause: one of `Cause`.
        sentence: the error, in terms of the node.
        fix: the change that would correct it.
        is_confirmed: the node is right after this one change.
        isolated: ratio of its error, on the reference's inputs, to the allowed one.
        after: the same after the change.
        allowance: where the allowed error comes from.
        also: other causes that were confirmed.
        reference: path of the artefact that this one was compared with; empty where it is no
            artefact of a bundle.
        case: the node's regions in both graphs, with inputs and outputs; None for preprocessing.
    """

    node: str
    operator: str
    candidate: str
    cause: str
    sentence: str
    fix: str
    is_confirmed: bool
    isolated: float
    after: float
    allowance: str
    also: tuple[str, ...] = ()
    reference: str = ""
    case: Case | None = field(default=None, repr=False, compare=False)

    def words(self) -> str:
        """The diagnosis in a few lines of text."""
        sure = "" if self.is_confirmed else " (not confirmed by fixing it)"
        operator = f" ({self.operator})" if self.operator else ""
        lines = [f"{self.node}{operator}: {self.cause}{sure}", self.sentence]
        if self.case is not None or math.isfinite(self.isolated):
            against = f" ({self.reference})" if self.reference else ""
            lines.append(
                f"on the reference's inputs{against} {self._error()} ({self.allowance}), "
                f"{self._after_fix()}"
            )
        return "\n  ".join([*lines, f"fix: {self.fix}"])

    def _error(self) -> str:
        if _finite(self.isolated) is None:
            return "its output is not finite or has another shape"
        return f"its error is {self.isolated:.2g} times the allowed one"

    def _after_fix(self) -> str:
        if _finite(self.after) is None:
            return "and no change that was tried corrects it"
        return f"and {self.after:.2g} times after this fix"

    def to_json(self) -> dict[str, Any]:
        """The diagnosis as JSON values."""
        # JSON has no infinity: null for another shape, or where no change corrects the node.
        return {
            "node": self.node,
            "operator": self.operator,
            "suspect": self.candidate,
            "cause": self.cause,
            "sentence": self.sentence,
            "remedy": self.fix,
            "is_confirmed": self.is_confirmed,
            "isolated": _finite(self.isolated),
            "after": _finite(self.after),
            "allowance": self.allowance,
            "also": self.also,
            "reference": self.reference,
        }


def _finite(ratio: float) -> float | None:
    return ratio if math.isfinite(ratio) else None
