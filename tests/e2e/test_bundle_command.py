"""``edgecnn bundle``, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

from e2e.conftest import Run

BUNDLES = Path(__file__).parents[1] / "data/bundles"


def test_show_prints_a_table_and_a_document(edgecnn: Run) -> None:
    ran = edgecnn("bundle", "show", BUNDLES / "lenet5.edge")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "model.int8.tflite" in ran.stdout
    document = json.loads(edgecnn("bundle", "show", BUNDLES / "lenet5.edge", "--json").stdout)
    assert document["schema"] == "edgecnn.bundle-show/1"


def test_show_of_what_is_no_bundle_is_refused_in_one_line(edgecnn: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    ran = edgecnn("bundle", "show", tmp_path / "notes.txt")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.count("\n") == 1
