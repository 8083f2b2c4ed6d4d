"""docs/architecture.md, held against the real folders and imports."""

from __future__ import annotations

import re

import pytest
import structure

PAGE = (structure.ROOT / "docs/architecture.md").read_text(encoding="utf-8")
GRAPH = structure.import_graph()
MOST_FILES = 20


def test_no_import_goes_up() -> None:
    order = list(structure.PACKAGES)
    up = [
        f"{module} imports {other}"
        for module, imported in GRAPH.items()
        for other in imported
        if order.index(other.split(".")[0]) < order.index(module.split(".")[0])
    ]
    assert up == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert structure.find_circles(GRAPH) == []


@pytest.mark.parametrize("package", structure.PACKAGES)
def test_no_rooms_import_each_other_in_a_circle(package: str) -> None:
    assert structure.find_circles(structure.rooms_of(package, GRAPH)) == []


def test_a_circle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}
    assert structure.find_circles(graph) == [{"a", "b", "c"}]


def test_arrows_that_longer_ways_imply_are_left_out() -> None:
    graph = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert structure.reduce_transitively(graph) == {"a": {"b"}, "b": {"c"}, "c": set()}


def test_no_folder_has_more_than_twenty_files() -> None:
    folders = [path.parent for path in structure.find_modules().values()]
    crowded = {
        str(folder.relative_to(structure.ROOT)): count
        for folder in set(folders)
        if (count := len([*folder.glob("*.py")]) - (folder / "__init__.py").exists()) > MOST_FILES
    }
    assert crowded == {}


@pytest.mark.parametrize("package", structure.PACKAGES)
def test_the_drawing_is_the_package(package: str) -> None:
    assert structure.draw(package, GRAPH) in PAGE, "python tests/structure.py prints it anew"


@pytest.mark.parametrize(
    ("package", "heading"),
    [*zip(structure.PACKAGES, ("The workstation", "The compiler", "The runtime"), strict=True)],
)
def test_the_table_names_every_room(package: str, heading: str) -> None:
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    named = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert named == set(structure.rooms_of(package, GRAPH))


def test_every_path_on_the_page_exists() -> None:
    paths = re.findall(r"`((?:edgecnn|exporters|runtime|docs|tests)/[^` ]*)`", PAGE)
    shortened = {
        "exporters/…": "exporters/edgecnn_exporters",
        "runtime/…": "runtime/edgecnn_runtime",
    }
    assert len(paths) > 30
    for path in paths:
        for short, whole in shortened.items():
            path = path.replace(short, whole)  # noqa: PLW2901
        assert (structure.ROOT / path).exists(), path
