from __future__ import annotations

from pathlib import Path

from edgecnn_exporters.targets.native.operators.table import OPERATORS

PAGE = (Path(__file__).parents[5] / "docs/native.md").read_text(encoding="utf-8")


def test_the_page_has_every_operator_and_no_other() -> None:
    table = PAGE.split("| ONNX | operation |")[1].split("\n\n")[0]
    names = [
        name for line in table.splitlines()[2:] for name in line.split("|")[1].strip().split(", ")
    ]
    assert sorted(names) == sorted(OPERATORS)
