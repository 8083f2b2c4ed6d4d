"""The search for causes in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.verify.diagnose import Subject
from edgecnn.verify.search import find_isolated

SUBJECTS = [Subject("model.onnx", ran=True), Subject("model.tflite", ran=True)]


def test_a_search_that_ends_its_process_is_a_reason_of_its_row(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = find_isolated(str(tmp_path / "gone.edge"), {}, SUBJECTS, None)
    assert [each.subject for each in found] == ["model.onnx", "model.tflite"]
    assert {each.reason for each in found} == {
        "no cause was found: the search ended with exit code 1"
    }


def test_a_search_that_hangs_is_a_reason_of_its_row(tmp_path: Path) -> None:
    found = find_isolated(str(tmp_path / "gone.edge"), {}, SUBJECTS[:1], None, timeout_s=0)
    assert found[0].reason == "no cause was found: the search gave no answer in 0 s"
