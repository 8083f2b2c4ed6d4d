"""Strict reading of a JSON object field by field; unknown fields are errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from edgecnn_runtime.errors import ManifestInvalid

T = TypeVar("T")
# Characters of a wrong value in an error.
SHOWN = 200


class JsonFields:
    """Fields of one JSON object, each taken once; fields left over are an error."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise ManifestInvalid(f"{where} is {kind_of(value)}, expected an object")
        self._left = dict(value)
        self._where = where

    def take(self, key: str, *kinds: type[T]) -> T:
        if key not in self._left:
            raise ManifestInvalid(f"{self._where} has no field {key!r}")
        value = self._left.pop(key)
        # bool is an int in Python; a manifest with true in place of a number is wrong.
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            raise ManifestInvalid(f"{self._where}.{key} is {kind_of(value)}, expected {wanted}")
        return value

    def number(self, key: str) -> float:
        value = self.take(key, int, float)
        if not -1e30 < value < 1e30:  # also false for NaN
            raise ManifestInvalid(
                f"{self._where}.{key} is {shown(value)}, expected a finite number"
            )
        return float(value)

    def optional(self, key: str, read: Callable[[object, str], T]) -> T | None:
        value = self._left.pop(key, None)
        return None if value is None else read(value, f"{self._where}.{key}")

    def choice(self, key: str, allowed: tuple[str, ...]) -> Any:
        value = self.take(key, str)
        if value not in allowed:
            raise ManifestInvalid(
                f"{self._where}.{key} is {shown(value)}, expected one of {', '.join(allowed)}"
            )
        return value

    def finish(self) -> None:
        if self._left:
            raise ManifestInvalid(f"{self._where} has unknown field {shown(min(self._left))}")


def each(values: object, where: str, read: Callable[[object, str], T]) -> tuple[T, ...]:
    if not isinstance(values, list):
        raise ManifestInvalid(f"{where} is {kind_of(values)}, expected a list")
    return tuple(read(value, f"{where}[{index}]") for index, value in enumerate(values))


def number(value: object, where: str) -> float:
    """A finite number; `where` names it in the error."""
    return JsonFields({"value": value}, where).number("value")


def text(value: object, where: str) -> str:
    """A string; `where` names it in the error."""
    if not isinstance(value, str):
        raise ManifestInvalid(f"{where} is {kind_of(value)}, expected str")
    return value


def index(value: object, where: str) -> int:
    """An integer from 0; `where` names it in the error."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ManifestInvalid(f"{where} is {shown(value)}, expected an index from 0")


def shown(value: object) -> str:
    """The value as Python writes it, cut where it is long: a manifest may hold megabytes."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def kind_of(value: object) -> str:
    return "null" if value is None else type(value).__name__
