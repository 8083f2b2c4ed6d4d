"""Options that several commands share, and the types of their values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., object])


class FiniteRange(click.FloatRange):
    """Finite number in a range: click's own takes NaN, and infinity where it has no maximum."""

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number.", param, ctx)
        return number


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print only the result.")
silent_option = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    expose_value=False,
    help="Accepted, without effect here.",
)
engine_option = click.option("--engine", help="Engine to use; by default the fastest here.")
precision_option = click.option("--precision", help="Precision to use; by default the fastest.")
threads_option = click.option(
    "--threads", type=click.IntRange(1, 1024), help="Threads of the engine; by default its own."
)
FORM_OPTIONS = (
    click.option("--classes", type=click.IntRange(1), help="Number of classes (zoo)."),
    click.option("--width", type=FiniteRange(0.01, 8), help="Multiplier of channels (zoo)."),
    click.option("--depth", type=FiniteRange(0.05, 8), help="Multiplier of layers (zoo)."),
    click.option(
        "--stem",
        type=click.Choice(["imagenet", "small"]),
        help="First layers for 224×224 or for 32×32 (zoo).",
    ),
    click.option("--phi", type=FiniteRange(-8, 8), help="Compound coefficient (efficientnet)."),
)


def form_options(command: Command) -> Command:
    """The options that choose a form of a network of the zoo: the fields of `edgecnn.zoo.Form`."""
    for option in reversed(FORM_OPTIONS):
        command = option(command)
    return command


bundle_argument = click.argument("bundle", type=click.Path(dir_okay=True))


class ShapeParam(click.ParamType[tuple[int, int, int]]):
    """Shape ``1x3x224x224`` or ``3x224x224`` → (3, 224, 224): the batch is set with --batch."""

    name = "NxCxHxW"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int, int]:
        parts = str(value).lower().replace("×", "x").replace(",", "x").split("x")
        if not all(part.strip().isdigit() for part in parts):
            self.fail(f"{value!r} is not a shape; write it as 1x3x224x224", param, ctx)
        extents = [int(part) for part in parts]
        if len(extents) not in (3, 4):
            self.fail(
                f"{value!r} has {len(extents)} axes, expected the 4 of an image: "
                "batch x channels x height x width, as in 1x3x224x224",
                param,
                ctx,
            )
        if len(extents) == 3 and extents[0] > extents[2]:
            self.fail(
                f"{value!r} has {extents[0]} channels; channels come first, as in 1x3x224x224",
                param,
                ctx,
            )
        if 0 in extents:
            self.fail(f"{value!r} has an axis of 0", param, ctx)
        return extents[-3], extents[-2], extents[-1]


class BatchParam(click.ParamType["int | None"]):
    """Batch size, or ``dynamic`` → None."""

    name = "dynamic|N"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        if value is None or value == "dynamic":
            return None
        if not str(value).isdigit() or not 1 <= int(str(value)) <= 64:
            self.fail(
                f"{value!r} is not a batch size; use dynamic, or a size from 1 to 64", param, ctx
            )
        return int(str(value))
