"""docs/tutorial.ipynb runs as it is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tutorial


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Jupyter's own event loops and sockets
def test_the_tutorial_runs_to_a_right_class(tmp_path: Path) -> None:
    notebook = tutorial.execute(tmp_path)
    printed = notebook.cells[-1].outputs[-1].text.strip()
    assert printed == "frog"
    assert (tmp_path / "pictures.edge").is_file()


def test_the_tutorial_is_kept_with_its_outputs_and_without_paths_of_a_machine() -> None:
    text = tutorial.NOTEBOOK.read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    shown = [output for cell in cells for output in cell["outputs"]]
    assert not any(output["output_type"] == "error" for output in shown)
    assert sum("text/html" in output.get("data", {}) for output in shown) >= 6
    assert len(text) < 200_000
    for place in ("/home/", "/root/", "/tmp/", "/work/", "file://"):
        assert place not in text
