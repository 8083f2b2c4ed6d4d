"""ONNX's own backend tests through the TFLite target pass as the list in the repository says."""

from __future__ import annotations

import json

import pytest
from parity.onnx_backend import LIST, UPDATE, listed, run_all

# All of them run in one process beside this one; a crash of it would show as an outcome.
pytestmark = pytest.mark.slow


def test_what_passed_still_passes_and_nothing_else_is_untold() -> None:
    outcomes = run_all()
    wanted, found = json.loads(LIST.read_text(encoding="utf-8")), listed(outcomes)
    lost = {name: outcomes.get(name, "gone") for name in wanted["passed"]}
    lost = {name: said for name, said in lost.items() if name not in found["passed"]}
    assert not lost, f"passed before: {lost}"
    new = sorted(set(found["passed"]) - set(wanted["passed"]))
    assert not new, f"these pass and are not listed; run {UPDATE}: {new}"
    assert found["left_out"] == wanted["left_out"], f"the reasons changed; run {UPDATE}"
