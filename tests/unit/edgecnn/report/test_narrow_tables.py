"""Tables on a terminal of 80 columns: words stay whole, and what does not fit is left out."""

from __future__ import annotations

import re

import pytest

from edgecnn.console import wrapped
from edgecnn.report.blocks import print_blocks
from edgecnn.report.verify_tables import parity_blocks
from edgecnn_runtime.parity.difference import Difference
from edgecnn_runtime.parity.row import EngineId, Parity

FOUND = Difference(0.1, 0.022, 33.0, 1.0, (0.9, 1.0), 3, 30)


def rows(note: str) -> list[Parity]:
    engine = EngineId("tflite-reference", "2.3.0")
    return [Parity("model.int8.tflite", engine, "int8", "equal", FOUND, note)]


@pytest.mark.parametrize("columns", [70, 80, 140])
def test_no_word_of_verify_is_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    print_blocks(parity_blocks(rows("reference: the_longest_word_of_all")))
    words = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).split()
    assert words[:2] == ["what", "engine"]
    assert {"model.int8.tflite", "tflite-reference", "2.3.0", "the_longest_word_of_all"} <= {*words}
    assert ("precision" in words) == (columns > 80)


def test_a_pipe_gets_all_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_blocks(parity_blocks(rows("≥ 26.7 dB")))
    assert "precision" in capsys.readouterr().out


def test_lines_break_at_blanks_only() -> None:
    command = "pip-install-" * 9
    assert wrapped(f"a {command} b").split() == ["a", command, "b"]
