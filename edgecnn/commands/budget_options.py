"""Options that limit what a bundle may cost: memory and time."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import click

from edgecnn.commands.options import FiniteRange
from edgecnn_runtime.budget import MEMORY_BYTES, STEP_SECONDS

Command = TypeVar("Command", bound=Callable[..., object])

UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Size(click.ParamType[int]):
    """Size in bytes: ``512M`` or ``2G``."""

    name = "SIZE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int) and value > 0:  # converted already: click asks twice
            return value
        match = re.fullmatch(
            r"(\d+(?:\.\d+)?)\s*([KMG])(?:i?B)?", str(value).strip(), re.IGNORECASE
        )
        size = 0 if match is None else int(float(match[1]) * UNITS[match[2].upper()])
        if not size:
            self.fail(f"{value!r} is not a size; write it as 512M or 2G", param, ctx)
        return size


max_memory_option = click.option(
    "--max-memory",
    type=Size(),
    default=f"{MEMORY_BYTES / UNITS['G']:g}G",
    show_default=True,
    help="Memory that the bundle may cost, beyond four times its size.",
)
max_seconds_option = click.option(
    "--max-seconds",
    type=FiniteRange(0.1, 86400),
    default=STEP_SECONDS,
    show_default=True,
    help="Time that opening an artefact, or one run, may take.",
)


def budget_options(command: Command) -> Command:
    """The options ``--max-memory`` and ``--max-seconds``: the fields of `Budget`."""
    return max_memory_option(max_seconds_option(command))
