from __future__ import annotations

from pathlib import Path

from edgecnn_exporters.quantise.graph.rules import RULES
from edgecnn_exporters.quantise.rungs import RECIPES, RUNGS

PAGE = (Path(__file__).parents[5] / "docs/quantisation.md").read_text(encoding="utf-8")


def test_the_page_has_every_rule_as_it_is() -> None:
    for name, rule in RULES.items():
        (row,) = (
            line
            for line in PAGE.splitlines()
            if line.endswith(f"| {rule.why} |")
            and name in line.split("|")[1].replace(" ", "").split(",")
        )
        assert f"| {rule.role.value} |" in row, name


def test_the_page_has_every_rung() -> None:
    for name in RUNGS:
        assert any(line.startswith(f"| {name} |") for line in PAGE.splitlines()), name
    for recipe, names in RECIPES.items():
        for name in names:
            row = next(line for line in PAGE.splitlines() if line.startswith(f"| {name} |"))
            assert recipe in row.split("|")[2] or "all" in row.split("|")[2], (recipe, name)
