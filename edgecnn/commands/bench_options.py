"""Types of the options of ``edgecnn bench``."""

from __future__ import annotations

import re

import click

UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600}


class Names(click.ParamType["tuple[str, ...]"]):
    """Comma-separated names, each once: ``a,b`` → ("a", "b")."""

    name = "NAME[,NAME…]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(dict.fromkeys(word.strip() for word in str(value).split(",") if word.strip()))


class Threads(click.ParamType["tuple[int, ...]"]):
    """Comma-separated numbers of threads: ``1,4`` → (1, 4)."""

    name = "N[,N…]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in str(value).split(",") if word.strip()]
        is_empty = not words and "," in str(value)
        if is_empty or not all(
            word.isascii() and word.isdigit() and 1 <= int(word) <= 1024 for word in words
        ):
            self.fail(f"{value!r} is not a number of threads; write 4, or 1,4", param, ctx)
        return tuple(dict.fromkeys(map(int, words)))


class Duration(click.ParamType[float]):
    """Duration in seconds: ``90s``, ``30m`` or ``2h``."""

    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, int | float) and value >= 0:
            return float(value)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a duration; write it as 90s, 30m or 2h", param, ctx)
        return float(match[1]) * UNITS_S[match[2]]
