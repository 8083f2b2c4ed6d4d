"""Verdicts of a parity row."""

from __future__ import annotations

from typing import Literal

# "weak" answers as it did where it was made, and lost more there than int8 should; "unproven" ran,
# and there are no golden examples to compare it with.
ParityVerdict = Literal["equal", "weak", "differs", "skipped", "crashed", "unproven"]
WRONG: frozenset[ParityVerdict] = frozenset({"differs", "crashed"})
ANSWERS_AS_MADE: frozenset[ParityVerdict] = frozenset({"equal", "weak"})
