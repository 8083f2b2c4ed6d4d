"""Progress where there is no terminal."""

from __future__ import annotations

import pytest

from edgecnn.progress_bar import StageLines, stages


def test_a_notebook_gets_a_line_for_each_stage(capfd: pytest.CaptureFixture[str]) -> None:
    announce = StageLines()
    for line in ("capture", "quantise: equalise, 10%", "quantise: equalise, 20%", "package"):
        announce(line)
    assert capfd.readouterr() == ("", "capture\nquantise\npackage\n")


def test_a_pipe_gets_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with stages(("capture", "package"), quiet=False) as announce:
        announce("capture")
    assert capfd.readouterr() == ("", "")
