"""A diagnosis whose every part is one line of printable text, whatever a node is called."""

from __future__ import annotations

from dataclasses import replace

from edgecnn_exporters.diagnose.diagnosis import Diagnosis
from edgecnn_runtime.printable import printable


def printable_diagnosis(diagnosis: Diagnosis) -> Diagnosis:
    """The diagnosis for people; as JSON and for comparisons the original serves."""
    return replace(
        diagnosis,
        node=printable(diagnosis.node),
        operator=printable(diagnosis.operator),
        candidate=printable(diagnosis.candidate),
        sentence=printable(diagnosis.sentence),
        fix=printable(diagnosis.fix),
        allowance=printable(diagnosis.allowance),
    )
