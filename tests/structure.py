"""The import graph of the source: modules, rooms (top-level folders and files), circles.

``python tests/structure.py`` prints the drawings of docs/architecture.md.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
# From top to bottom: each may import those after it.
PACKAGES = {
    "edgecnn": ROOT / "edgecnn",
    "edgecnn_exporters": ROOT / "exporters/edgecnn_exporters",
    "edgecnn_runtime": ROOT / "runtime/edgecnn_runtime",
}
# They only pass on what others hold.
ENTRANCES = {"__init__", "__main__"}

Graph = Mapping[str, set[str]]


def find_modules() -> dict[str, Path]:
    """Dotted name → file, of every module of the three packages."""
    modules = {}
    for package, folder in PACKAGES.items():
        for path in folder.rglob("*.py"):
            parts = (package, *path.relative_to(folder).with_suffix("").parts)
            modules[".".join(parts).removesuffix(".__init__")] = path
    return modules


def import_graph() -> dict[str, set[str]]:
    """Module → the modules that it imports, wherever in the file, for typing alone too."""
    modules = find_modules()
    return {
        name: set(_imported(ast.parse(path.read_text(encoding="utf-8")), modules)) - {name}
        for name, path in modules.items()
    }


def _imported(tree: ast.Module, modules: Mapping[str, Path]) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in modules:
                    yield inner
                elif node.module in modules:
                    yield node.module


def rooms_of(package: str, graph: Graph) -> dict[str, set[str]]:
    """Room → the rooms that it imports, of one package."""
    rooms: dict[str, set[str]] = {}
    for module, imported in graph.items():
        room = _room(module)
        if module.split(".")[0] != package or room in ENTRANCES:
            continue
        own = {_room(other) for other in imported if other.split(".")[0] == package}
        rooms.setdefault(room, set()).update(own - {room} - ENTRANCES)
    return rooms


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def find_circles(graph: Graph) -> list[set[str]]:
    """Groups of nodes that reach each other (Tarjan 1972, strongly connected components)."""
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    circles = []

    def visit(node: str) -> None:
        numbers[node] = lowest[node] = len(numbers)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in numbers:
                visit(other)
                lowest[node] = min(lowest[node], lowest[other])
            elif other in stack:
                lowest[node] = min(lowest[node], numbers[other])
        if lowest[node] == numbers[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                circles.append(set(stack[at:]))
            del stack[at:]

    for node in graph:
        if node not in numbers:
            visit(node)
    return circles


def reduce_transitively(graph: Graph) -> dict[str, set[str]]:
    """The fewest arrows with the same reach; the graph has no circle."""
    reach: dict[str, set[str]] = {}

    def reached(node: str) -> set[str]:
        if node not in reach:
            reach[node] = set().union(*({other} | reached(other) for other in graph[node]), set())
        return reach[node]

    return {
        node: {
            other
            for other in direct
            if not any(other in reached(between) for between in direct - {other})
        }
        for node, direct in graph.items()
    }


def draw(package: str, graph: Graph) -> str:
    """A package as a mermaid flowchart: an arrow leads from a room to one that it imports."""
    lines = ["```mermaid", "flowchart TD"]
    for room, others in sorted(reduce_transitively(rooms_of(package, graph)).items()):
        lines += [f"    {room} --> {other}" for other in sorted(others)]
    return "\n".join([*lines, "```"])


if __name__ == "__main__":
    for name in PACKAGES:
        print(f"{name}\n\n{draw(name, import_graph())}\n")
