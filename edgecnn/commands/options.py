"""Options that several commands share, and the types of their values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., object])

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Say nothing but the result.")
silent_option = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    expose_value=False,
    help="Accepted; there is no talk to leave out.",
)
engine_option = click.option("--engine", help="Engine to use; by default the first installed.")
precision_option = click.option("--precision", help="Precision to use; by default the first held.")
threads_option = click.option(
    "--threads", type=click.IntRange(1, 1024), help="Threads of the engine; by default its own."
)
FORM_OPTIONS = (
    click.option("--classes", type=click.IntRange(1), help="Number of classes (zoo)."),
    click.option("--width", type=click.FloatRange(0.01, 8), help="Multiplier of channels (zoo)."),
    click.option("--depth", type=click.FloatRange(0.05, 8), help="Multiplier of layers (zoo)."),
    click.option(
        "--stem", type=click.Choice(["imagenet", "small"]), help="For 224×224, or for 32×32 (zoo)."
    ),
    click.option(
        "--phi", type=click.FloatRange(-8, 8), help="Compound coefficient (efficientnet)."
    ),
)


def form_options(command: Command) -> Command:
    """The options that choose a form of a network of the zoo: the fields of `edgecnn.zoo.Form`."""
    for option in reversed(FORM_OPTIONS):
        command = option(command)
    return command


class Precision(click.ParamType[str]):
    """``int8``; what serves a CNN ill is refused with the reason."""

    name = "int8"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        if value == "dynamic":
            self.fail(
                "dynamic quantisation measures every activation's range anew at every run: in a "
                "CNN, whose activations are many and whose weights are few, that is slower than "
                "float and no more accurate; int8 measures them once, on calibration samples",
                param,
                ctx,
            )
        if value != "int8":
            self.fail(f"{value!r} is no precision that edgecnn quantises to; say int8", param, ctx)
        return str(value)


QUANTISE_OPTIONS = (
    click.option(
        "--quantize",
        "--quantise",
        "precision",
        type=Precision(),
        metavar="int8",
        help="Put a quantised artefact into the bundle, beside fp32.",
    ),
    click.option(
        "--calibrate",
        metavar="DATA",
        help="Samples that give the ranges: a folder of images, an .npz, mnist, fashion-mnist, "
        "cifar10, imagenet-samples, photographs; by default what the network was trained on.",
    ),
    click.option(
        "--samples",
        type=click.IntRange(1),
        default=128,
        show_default=True,
        help="Samples to calibrate with, at most.",
    ),
    click.option(
        "--recipe",
        type=click.Choice(["fast", "balanced", "best"]),
        default="balanced",
        show_default=True,
        help="How much is tried to keep the accuracy.",
    ),
    click.option(
        "--observer",
        type=click.Choice(["min-max", "percentile", "entropy", "mse"]),
        help="How ranges are found; by default what serves best.",
    ),
    click.option("--per-tensor", is_flag=True, help="One scale for a whole weight."),
    click.option(
        "--weight-bits",
        type=click.Choice(["8", "7"]),
        default="8",
        show_default=True,
        help="7 for x86 without VNNI.",
    ),
    click.option(
        "--min-agreement",
        type=click.FloatRange(0, 1),
        help="Share of held-out samples that must keep their class; operators are left in float "
        "to reach it, else nothing is written and the exit code is 6.",
    ),
    click.option(
        "--max-drop",
        type=click.FloatRange(0, 100),
        metavar="POINTS",
        help="Points of top-1 that int8 may lose on --data; beyond, exit code 6.",
    ),
    click.option(
        "--data",
        metavar="NAME|FOLDER",
        help="Labelled images (1,000 at most) for both accuracies, as evaluate takes them.",
    ),
    click.option(
        "--report",
        type=click.Path(path_type=Path),
        help="Draw what int8 costs layer by layer to this .png, .svg or .pdf.",
    ),
    click.option(
        "--measure/--no-measure",
        "is_measured",
        default=True,
        help="Say whether int8 is faster on this machine (a few seconds).",
    ),
)


def quantise_options(command: Command) -> Command:
    """The options of the 8-bit artefact."""
    for option in reversed(QUANTISE_OPTIONS):
        command = option(command)
    return command


bundle_argument = click.argument("bundle", type=click.Path(dir_okay=True))


class Shape(click.ParamType[tuple[int, int, int]]):
    """``1x3x224x224`` → (3, 224, 224): the batch is set with --batch, and ignored here."""

    name = "NxCxHxW"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int, int]:
        parts = str(value).lower().replace("×", "x").replace(",", "x").split("x")
        if not all(part.strip().isdigit() for part in parts):
            self.fail(f"{value!r} is no shape; write it as 1x3x224x224", param, ctx)
        extents = [int(part) for part in parts]
        if len(extents) != 4:
            self.fail(
                f"{value!r} has {len(extents)} axes, expected the 4 of an image: "
                "batch x channels x height x width, as in 1x3x224x224",
                param,
                ctx,
            )
        if 0 in extents:
            self.fail(f"{value!r} has an axis of 0", param, ctx)
        return extents[1], extents[2], extents[3]


class Batch(click.ParamType["int | None"]):
    """``dynamic`` → None, or a fixed batch size."""

    name = "dynamic|N"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        if value is None or value == "dynamic":
            return None
        if not str(value).isdigit() or not 1 <= int(str(value)) <= 64:
            self.fail(f"{value!r} is no batch; say dynamic, or a size from 1 to 64", param, ctx)
        return int(str(value))
