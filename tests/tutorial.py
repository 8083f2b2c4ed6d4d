"""Runs docs/tutorial.ipynb. ``python tests/tutorial.py`` writes its outputs into the file anew."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs/tutorial.ipynb"
TIMEOUT_S = 300


def execute(folder: Path) -> NotebookNode:
    """The notebook with fresh outputs, run in a folder, without a display."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=TIMEOUT_S,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": folder}},
    )
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    client.execute(env=environment)
    return notebook


def main() -> None:
    """Write the outputs of a run into the file, without the times and the ids of the run."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = execute(Path(folder))
    for cell in notebook.cells:
        cell.metadata = {}
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
