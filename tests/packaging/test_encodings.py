"""What is read and written as text names its encoding: the locale's may be ASCII."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("edgecnn", "exporters/edgecnn_exporters", "runtime/edgecnn_runtime")
# Method → how many arguments come before the encoding.
METHODS = {"read_text": 0, "write_text": 1}


def unnamed(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls that read or write text in the locale's encoding."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        is_text = name in METHODS and len(call.args) <= METHODS[name]
        if name == "open":
            modes = [*call.args[:1], *filter(None, [keywords.get("mode")])]
            is_text = any(
                isinstance(mode, ast.Constant) and set(str(mode.value)) <= set("rwax+t")
                for mode in modes
            )
        if (is_text or "text" in keywords) and "encoding" not in keywords:
            yield call


@pytest.mark.parametrize("package", PACKAGES)
def test_the_encoding_is_named(package: str) -> None:
    found = []
    for path in sorted((ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [f"{path.relative_to(ROOT)}:{call.lineno}" for call in unnamed(tree)]
    assert found == []


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ("path.read_text()", 1),
        ("path.read_text(encoding='utf-8')", 0),
        ("path.write_text(words)", 1),
        ("path.open('w')", 1),
        ("path.open('wb')", 0),
        ("subprocess.run(command, text=True)", 1),
        ("subprocess.run(command, text=True, encoding='utf-8')", 0),
    ],
)
def test_what_the_check_finds(code: str, count: int) -> None:
    assert len(list(unnamed(ast.parse(code)))) == count
