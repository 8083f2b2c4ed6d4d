"""Lines of a user's code, out of a running forward, and what stands there."""

from __future__ import annotations

import ast
import linecache
import sys
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

# Functions of torch that a value only passes to be checked or printed.
_CHECKS = ("_assert", "__format__", "__repr__", "_str", "_str_intern")


@dataclass(frozen=True)
class SourceLine:
    """A line of Python.

    Attributes:
        first, last: the lines of the function that it is in.
    """

    file: str
    number: int
    first: int
    last: int

    def __str__(self) -> str:
        """As ``file:line: "code"``, the file as seen from the folder of work."""
        path = Path(self.file)
        if path.is_relative_to(Path.cwd()):
            path = path.relative_to(Path.cwd())
        code = linecache.getline(self.file, self.number).strip()
        return f'{path}:{self.number}: "{code}"' if code else f"{path}:{self.number}"


def calling_line() -> SourceLine | None:
    """The innermost line outside of torch and edgecnn that is being run; None if it only checks."""
    import torch

    libraries = tuple(str(Path(file).parent) + "/" for file in (torch.__file__, __file__))
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(libraries):
            if frame.f_code.co_name in _CHECKS:
                return None
        elif not file.startswith("<frozen"):
            return None if _is_check(file, frame.f_lineno) else _line(frame)
        frame = frame.f_back
    return None


def _line(frame: FrameType) -> SourceLine:
    numbers = [number for _, _, number in frame.f_code.co_lines() if number is not None]
    return SourceLine(frame.f_code.co_filename, frame.f_lineno, min(numbers), max(numbers))


def _is_check(file: str, number: int) -> bool:
    """Whether the line is an ``assert``, or the condition of an ``if`` whose end is an error.

    Such a line chooses between an answer and none; it never changes the answer.
    """
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return False
    return any(_checks(node, number) for node in ast.walk(tree))


def _checks(node: ast.AST, number: int) -> bool:
    if isinstance(node, ast.Assert):
        return _covers(node, number)
    if isinstance(node, ast.If) and not node.orelse and isinstance(node.body[-1], ast.Raise):
        return _covers(node.test, number)
    return False


def _covers(node: ast.expr | ast.stmt, number: int) -> bool:
    return node.lineno <= number <= (node.end_lineno or node.lineno)
