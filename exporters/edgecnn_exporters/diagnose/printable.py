"""A diagnosis whose every part is one line of printable text, whatever a node is called."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from edgecnn_exporters.diagnose.diagnosis import Diagnosis
from edgecnn_runtime.printable import printable


def printable_diagnosis(diagnosis: Diagnosis) -> Diagnosis:
    """The diagnosis for people; as JSON and for comparisons the original serves."""
    parts: dict[str, Any] = {
        each.name: printable(text)
        for each in fields(diagnosis)
        if isinstance(text := getattr(diagnosis, each.name), str)
    }
    return replace(diagnosis, **parts)
