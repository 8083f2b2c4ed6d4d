"""docs/json.md and its examples, held against the dataclasses."""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path

import json_page
import pytest
from json_types import check_document

import edgecnn.results
from edgecnn.results.result import Result
from edgecnn.results.schemas import SCHEMAS

PAGE = Path(__file__).parents[4] / "docs/json.md"


def test_the_page_is_the_one_that_the_dataclasses_make() -> None:
    assert PAGE.read_text(encoding="utf-8") == json_page.page(), (
        "python tests/json_page.py > docs/json.md writes it anew"
    )


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_example_has_the_fields_of_its_schema(schema: str) -> None:
    document = json.loads(json_page.example_of(schema).read_text(encoding="utf-8"))
    check_document(document, schema)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"exit_code": "1"}, "exit_code: '1' is no"),
        ({"exit_code": True}, "exit_code: True is no"),
        ({"more": 1}, r"\.more: unknown"),
        ({"message": None}, "message: None is no"),
    ],
)
def test_a_document_of_other_fields_is_refused(change: dict[str, object], says: str) -> None:
    document = {"schema": "edgecnn.error/1", "error": "E", "message": "m", "exit_code": 1}
    check_document(document, "edgecnn.error/1")
    with pytest.raises(AssertionError, match=says):
        check_document(document | change, "edgecnn.error/1")
    with pytest.raises(AssertionError, match="missing"):
        check_document({"schema": "edgecnn.error/1"}, "edgecnn.error/1")


def test_every_result_prints_a_schema_of_the_table() -> None:
    names = [each.name for each in pkgutil.iter_modules(edgecnn.results.__path__)]
    for name in names:
        importlib.import_module(f"edgecnn.results.{name}")
    assert {each.SCHEMA for each in Result.__subclasses__()} == set(SCHEMAS) - {"edgecnn.error/1"}
