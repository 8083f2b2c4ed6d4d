"""Result of a diagnosis: culprit node, cause and remedy, in words and as JSON."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from edgecnn_exporters.diagnose.causes.case import Case


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
        case: both sides of the node with what goes in and comes out; None for preprocessing.
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
        """The diagnosis for a person, four lines."""
        sure = "" if self.is_confirmed else " (not confirmed by mending it)"
        operator = f" ({self.operator})" if self.operator else ""
        return (
            f"{self.node}{operator}: {self.cause}{sure}\n"
            f"  {self.sentence}\n"
            f"  given the right inputs it is off by {_times(self.isolated)} what is allowed "
            f"({self.allowance}), {self._mended()}\n"
            f"  to mend it: {self.remedy}"
        )

    def _mended(self) -> str:
        if _finite(self.after) is None:
            return "and nothing that was tried mends it"
        return f"and by {_times(self.after)} once that is mended"

    def to_json(self) -> dict[str, Any]:
        """The diagnosis as JSON values."""
        values = asdict(replace(self, case=None))
        del values["case"]
        # JSON has no infinity: of another shape, or where nothing that was tried mends it.
        return values | {"isolated": _finite(self.isolated), "after": _finite(self.after)}


def _finite(ratio: float) -> float | None:
    return ratio if math.isfinite(ratio) else None


def _times(ratio: float) -> str:
    return f"{ratio:.2g} times" if math.isfinite(ratio) else "more than any number of times"
