"""Command-line options of quantisation, and the configuration that they make."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.commands.options import FiniteRange

if TYPE_CHECKING:
    from edgecnn.data.iterables import Items
    from edgecnn.exporting.quantise import QuantiseOptions
    from edgecnn_exporters.quantise.config import QuantRecipe


class PrecisionParam(click.ParamType[str]):
    """Precision of quantisation, ``int8``; others are refused with the reason."""

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
            self.fail(
                f"{value!r} is not a precision that edgecnn quantises to; use int8", param, ctx
            )
        return str(value)


MEGABYTE = 1_000_000
QUANTISE_OPTIONS = (
    click.option(
        "--quantize",
        "--quantise",
        "precision",
        type=PrecisionParam(),
        metavar="int8",
        help="Put a quantised artefact into the bundle, beside fp32.",
    ),
    click.option(
        "--calibrate",
        metavar="DATA",
        help="Samples that give the ranges: a folder of images, an .npz, mnist, fashion-mnist, "
        "cifar10, imagenet-samples, photographs; or batch-norm, without samples, the weaker "
        "choice. By default what the network was trained on.",
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
        help="Effort to keep the accuracy.",
    ),
    click.option(
        "--observer",
        type=click.Choice(["min-max", "sample-mean", "percentile", "entropy", "mse"]),
        help="How ranges are chosen; by default the best on held-out samples.",
    ),
    click.option("--per-tensor", is_flag=True, help="One scale for a whole weight tensor."),
    click.option(
        "--weight-bits",
        type=click.Choice(["8", "7"]),
        default="8",
        show_default=True,
        help="7 for x86 without VNNI.",
    ),
    click.option(
        "--min-agreement",
        type=FiniteRange(0, 1),
        help="Share of inputs that must keep their class, shown with 95 % confidence by samples "
        "that do not calibrate (0.95 takes 73, 0.99 takes 381); operators are left in float to "
        "reach it, else nothing is written and the exit code is 6.",
    ),
    click.option(
        "--max-drop",
        type=FiniteRange(0, 100),
        metavar="POINTS",
        help="Points of top-1 that int8 may lose on --data; operators are left in float to "
        "reach it, else nothing is written and the exit code is 6.",
    ),
    click.option(
        "--allow-weak",
        is_flag=True,
        help="Write an int8 artefact that loses more of an output than int8 should (SQNR below "
        "15 dB), behind the float ones; without it nothing is written and the exit code is 6.",
    ),
    click.option(
        "--data",
        metavar="NAME|FOLDER",
        help="Labelled images (1,000 at most) for both accuracies, as evaluate takes them.",
    ),
    click.option(
        "--memory-limit",
        type=click.IntRange(1),
        metavar="MB",
        help="Memory that samples and their activations may take while quantising.",
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
        help="Measure whether int8 is faster on this machine (a few seconds).",
    ),
)


@dataclass(frozen=True)
class Quantising:
    """Values of `QUANTISE_OPTIONS` from the command line, by their names."""

    precision: str | None
    calibrate: str | Items | None
    samples: int
    recipe: QuantRecipe
    observer: str | None
    per_tensor: bool
    weight_bits: str
    min_agreement: float | None
    max_drop: float | None
    allow_weak: bool
    data: str | Items | None
    memory_limit: int | None
    report: Path | None
    is_measured: bool

    def options(self) -> QuantiseOptions | None:
        """The options of the export; None where no 8-bit artefact is asked for.

        Raises:
            click.UsageError: options that go with it, without it.
            PlotUnwritable: the report cannot be drawn.
        """
        if self.precision is None:
            self._refuse_others()
            return None
        from edgecnn.exporting.quantise import QuantiseOptions
        from edgecnn_exporters.quantise.config import QuantConfig

        if self.report is not None:
            from edgecnn.report.plots.network import check_plot

            check_plot(self.report, 1)
        config = QuantConfig(
            self.recipe,
            self.observer,
            not self.per_tensor,
            int(self.weight_bits),
            self.min_agreement,
            None if self.memory_limit is None else self.memory_limit * MEGABYTE,
        )
        return QuantiseOptions(
            config, self.calibrate, self.samples, self.data, self.max_drop, self.allow_weak
        )

    def _refuse_others(self) -> None:
        alone = (
            *("calibrate", "observer", "per_tensor", "min_agreement", "max_drop", "data"),
            *("memory_limit", "report", "allow_weak"),
        )
        given = [
            name
            for name in alone
            if getattr(self, name) is not None and getattr(self, name) is not False
        ]
        if given:
            named = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise click.UsageError(f"{named}: only with --quantize int8")


def quantise_options(command: Callable[..., object]) -> Callable[..., object]:
    """Add the options of the 8-bit artefact; the command gets them as one, `quantising`."""

    @functools.wraps(command)
    def gathered(**arguments: Any) -> object:
        own = {each.name: arguments.pop(each.name) for each in fields(Quantising)}
        return command(**arguments, quantising=Quantising(**own))

    for option in reversed(QUANTISE_OPTIONS):
        gathered = option(gathered)
    return gathered
