"""Options of the formats beside ONNX, and what they come to."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgecnn_exporters.targets import Wishes

NAMES = ("onnx", "tflite", "openvino")
ALL = "all"


class Formats(click.ParamType["tuple[str, ...]"]):
    """``tflite,openvino`` → the two; ``all`` is every one, and ONNX is always there."""

    name = "NAME[,NAME]"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = [name.strip().lower() for name in str(value).split(",")]
        unknown = [name for name in names if name not in (*NAMES, ALL)]
        if unknown:
            known = ", ".join((*NAMES, ALL))
            self.fail(f"{unknown[0]!r} is no target; choose of {known}", param, ctx)
        chosen = NAMES if ALL in names else names
        return tuple(name for name in NAMES if name in chosen and name != "onnx")


TARGET_OPTIONS = (
    click.option(
        "--target",
        "formats",
        type=Formats(),
        multiple=True,
        help="Formats beside ONNX: tflite, openvino, or all; each holds the same scales.",
    ),
    click.option(
        "--fp16",
        is_flag=True,
        help="Put artefacts with weights of 16 bits beside, in the formats of --target.",
    ),
    click.option(
        "--tflite-io",
        type=click.Choice(["float32", "int8", "uint8"]),
        default="float32",
        show_default=True,
        help="What a TFLite file of 8 bits takes and gives; int8 and uint8 leave no float in it.",
    ),
    click.option(
        "--max-transposes",
        type=click.IntRange(0),
        metavar="N",
        help="TRANSPOSE operators that a TFLite file may hold, else the exit code is 6; 0 for "
        "networks of the zoo, any number for others.",
    ),
)


def target_options(command: Callable[..., object]) -> Callable[..., object]:
    """The options of the other formats; the command gets them as one, `targets`."""

    @functools.wraps(command)
    def gathered(**said: Any) -> object:
        wishes = _wishes(said)
        return command(**said, targets=wishes)

    for option in reversed(TARGET_OPTIONS):
        gathered = option(gathered)
    return gathered


def _wishes(said: dict[str, Any]) -> Wishes:
    """What was said, which is taken out of `said`.

    Raises:
        click.UsageError: options that go with a target, without it.
    """
    from edgecnn_exporters.targets import Wishes

    formats = said.pop("formats")
    names = tuple(dict.fromkeys(name for chosen in formats for name in chosen))
    half, io, most = said.pop("fp16"), said.pop("tflite_io"), said.pop("max_transposes")
    if half and not names:
        raise click.UsageError("--fp16: only with --target tflite, openvino or all")
    if "tflite" not in names and (io != "float32" or most is not None):
        raise click.UsageError("--tflite-io, --max-transposes: only with --target tflite")
    return Wishes(names, half, io, most)
