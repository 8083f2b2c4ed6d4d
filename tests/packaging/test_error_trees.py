"""The tree of errors that each package's ``errors.py`` draws is that of its classes."""

from __future__ import annotations

import importlib
import pkgutil
import re
import warnings
from collections.abc import Iterator

import pytest

from edgecnn_runtime.errors import EdgeCNNError

# Two spaces a level, a bullet, the class, and its file where it stands in another.
LINE = re.compile(r"( *)[*+-] (\w+)(?: \((\S+\.py)\))?")
Edge = tuple[str, str, str]


def drawn(package: str) -> set[Edge]:
    """(class, base, file) of each line of the drawing but the root's."""
    document = importlib.import_module(f"{package}.errors").__doc__
    path: list[str] = []
    edges = set()
    for line in str(document).splitlines():
        if (match := LINE.fullmatch(line)) is None:
            continue
        level = len(match[1]) // 2
        path = [*path[:level], match[2]]
        assert len(path) == level + 1, f"{line!r} is indented by more than one level"
        if level:
            edges.add((match[2], path[-2], match[3] or "errors.py"))
    return edges


def defined(package: str) -> set[Edge]:
    """The same of the classes that the package's modules define."""
    module = importlib.import_module(package)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for each in pkgutil.walk_packages(module.__path__, f"{package}."):
            if not each.name.endswith("__main__"):
                importlib.import_module(each.name)
    return {
        (error.__name__, base.__name__, _file(error, package))
        for base, error in _below(EdgeCNNError)
        if error.__module__.startswith(f"{package}.")
    }


def _below(base: type[Exception]) -> Iterator[tuple[type[Exception], type[Exception]]]:
    for error in base.__subclasses__():
        yield base, error
        yield from _below(error)


def _file(error: type[Exception], package: str) -> str:
    module = importlib.import_module(error.__module__)
    name = error.__module__.removeprefix(f"{package}.").replace(".", "/")
    return f"{name}/__init__.py" if hasattr(module, "__path__") else f"{name}.py"


@pytest.mark.parametrize("package", ["edgecnn_runtime", "edgecnn_exporters", "edgecnn"])
def test_the_drawing_is_the_tree(package: str) -> None:
    assert drawn(package) == defined(package)
    assert len(drawn(package)) > 5


def test_each_drawing_begins_at_the_root() -> None:
    for package in ("edgecnn_runtime", "edgecnn_exporters", "edgecnn"):
        document = str(importlib.import_module(f"{package}.errors").__doc__)
        first = next(match for line in document.splitlines() if (match := LINE.fullmatch(line)))
        assert first[2] == EdgeCNNError.__name__
