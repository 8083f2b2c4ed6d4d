"""Strict reading of a TOML file key by key; unknown keys are errors."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, TypeVar

from edgecnn.errors import DeviceConfigInvalid

T = TypeVar("T")

KINDS = {
    bool: "true or false",
    str: "a text",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
    date: "a date",
    datetime: "a date",
    time: "a time",
}


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        DeviceConfigInvalid: it cannot be read, or is not TOML; the message says where.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DeviceConfigInvalid(f"cannot read {path}: {reason}") from error
    except UnicodeDecodeError as error:
        raise DeviceConfigInvalid(f"{path} is not TOML: byte {error.start} is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise DeviceConfigInvalid(f"{path} is not TOML: {_lowered(str(error))}; fix it") from error
    except RecursionError as error:
        raise DeviceConfigInvalid(f"{path} is nested too deeply") from error


class TomlFields:
    """The keys of one TOML table, each taken once; what is left over is an error.

    Every method that takes a key raises `DeviceConfigInvalid` when it is missing or of another
    kind, and names the file, the key, what was found and what was expected.
    """

    def __init__(self, value: object, file: str, where: str = "") -> None:
        self.file = file
        self.where = where
        self._left = dict(value) if isinstance(value, dict) else {}
        self._known: list[str] = []
        if not isinstance(value, dict):
            raise DeviceConfigInvalid(f"{file}: {where} is {shown(value)}, expected a table")

    def holds(self, key: str, kind: type) -> bool:
        """Whether the key is there, with a value of that kind."""
        return isinstance(self._left.get(key), kind)

    def text(self, key: str) -> str:
        value: str = self._take(key, str, "a text")
        if not value.strip() or not value.isprintable():
            raise self.wrong(key, value, "a text of printable characters, on one line")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._take(key, list, "a list of texts")
        for value in values:
            if not isinstance(value, str) or not value.strip() or not value.isprintable():
                raise self.wrong(key, values, "a list of texts")
        return tuple(values)

    def whole(self, key: str, least: int = 0, most: int = 1 << 40) -> int:
        value: int = self._take(key, int, "a whole number")
        if not least <= value <= most:
            raise self.wrong(key, value, f"a whole number from {least} to {most}")
        return value

    def number(self, key: str) -> float:
        value = self._take(key, (int, float), "a number")
        return self._positive(key, value)

    def numbers(self, key: str) -> tuple[float, ...]:
        values = self._take(key, list, "a list of numbers")
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise self.wrong(key, values, "a list of numbers")
        return tuple(self._positive(key, value) for value in values)

    def flag(self, key: str) -> bool:
        return bool(self._take(key, bool, "true or false"))

    def table(self, key: str) -> TomlFields:
        return TomlFields(self._take(key, dict, "a table"), self.file, self._path(key))

    def tables(self, key: str) -> tuple[TomlFields, ...]:
        values = self._take(key, list, "a list of tables")
        return tuple(
            TomlFields(value, self.file, f"{self._path(key)}[{index}]")
            for index, value in enumerate(values)
        )

    def optional(self, key: str, take: Callable[[str], T]) -> T | None:
        """What `take` makes of the key, or None where there is none."""
        if key in self._left:
            return take(key)
        self._known.append(key)
        return None

    def finish(self) -> None:
        """Check that no key is left.

        Raises:
            DeviceConfigInvalid: an unknown key; the message offers the nearest known one.
        """
        if not self._left:
            return
        key = min(self._left)
        near = difflib.get_close_matches(key, self._known, 1, 0.5)
        offer = f"did you mean {near[0]}?" if near else f"expected {', '.join(self._known)}"
        raise DeviceConfigInvalid(f"{self.file}: {self._path(key)} is not a known key; {offer}")

    def wrong(self, key: str, value: object, expected: str) -> DeviceConfigInvalid:
        """The error for a value that is not what it must be."""
        return DeviceConfigInvalid(
            f"{self.file}: {self._path(key)} is {shown(value)}, expected {expected}"
        )

    def _take(self, key: str, kinds: type | tuple[type, ...], expected: str) -> Any:
        self._known.append(key)
        if key not in self._left:
            where = f"[{self.where}]" if self.where else "the file"
            raise DeviceConfigInvalid(
                f"{self.file}: {where} has no key {key!r}, expected {expected}"
            )
        value = self._left.pop(key)
        # bool is an int in Python; a file with true in place of a number is wrong.
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
            raise self.wrong(key, value, expected)
        return value

    def _positive(self, key: str, value: float) -> float:
        if not (math.isfinite(value) and 0 < value < 1e12):
            raise self.wrong(key, value, "a number above 0")
        return float(value)

    def _path(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key


def shown(value: object) -> str:
    """A value as an error shows it: short ones as they are, others by their kind."""
    kind = KINDS.get(type(value), type(value).__name__)
    written = repr(value)
    return written if len(written) <= 40 and not isinstance(value, dict) else kind


def _lowered(message: str) -> str:
    return message[:1].lower() + message[1:]
