"""docs/diagnosis.md lists every cause, and the score that the tests count."""

from __future__ import annotations

import re
from pathlib import Path

from parity.faults.kinds import KINDS
from parity.faults.matrix import CELLS
from parity.faults.table import CLEAN, FAULTS
from parity.test_fault_injection import CHECKPOINTS

from edgecnn_exporters.diagnose.causes.case import Cause

TEXT = (Path(__file__).parents[4] / "docs" / "diagnosis.md").read_text()


def test_every_cause_is_in_the_table() -> None:
    table = TEXT.split("## Causes")[1].split("## ")[0]
    rows = re.findall(r"^\| (?!cause|---)([^|]+?) \|", table, re.M)
    assert rows == [cause.value for cause in Cause]


def test_the_score_counts_all_faults_and_all_clean_artefacts() -> None:
    assert f"plants {len(FAULTS)} faults" in TEXT
    assert f"plants {len(KINDS)} kinds" in TEXT
    assert f"{len(CELLS)} artefacts, and prints" in TEXT
    assert f"{len(CLEAN) * len(CHECKPOINTS)} artefacts" in TEXT
