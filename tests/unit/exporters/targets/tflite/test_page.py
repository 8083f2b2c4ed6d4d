from __future__ import annotations

from pathlib import Path

from unit.exporters.targets.tflite.support import CODES

from edgecnn_exporters.targets.tflite.operators.operator import never
from edgecnn_exporters.targets.tflite.operators.table import OPERATORS

PAGE = (Path(__file__).parents[5] / "docs/tflite.md").read_text(encoding="utf-8")


def rows() -> dict[str, list[str]]:
    """The cells of the table of operators, by the first of them."""
    table = PAGE.split("| ONNX | TFLite |")[1].split("\n\n")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]
    ]
    return {first: rest for first, *rest in cells}


def test_the_page_has_every_operator_and_no_other() -> None:
    assert list(rows()) == list(dict.fromkeys(rows()))
    assert set(rows()) == set(OPERATORS)


def test_the_page_says_what_is_computed_in_integers() -> None:
    for name, (_, integers, _) in rows().items():
        assert integers == ("float" if OPERATORS[name].has_integers is never else "yes"), name


def test_the_page_names_operators_that_there_are() -> None:
    known = set(CODES.values())
    for name, (written, _, _) in rows().items():
        codes = set() if written.startswith("none") else set(written.split(", "))
        assert codes <= known, name
