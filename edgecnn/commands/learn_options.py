"""Command-line options of learning on a device, and the request that they make."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from edgecnn.commands.options import FiniteRange
from edgecnn_runtime.training import (
    LOSSES,
    NORMALISATIONS,
    OPTIMISERS,
    Loss,
    Normalisation,
    Optimiser,
)

if TYPE_CHECKING:
    from edgecnn.exporting.learn import LearnOptions

HEAD, ALL, LAST = "head", "all", "last:"
# Learning rate and weight decay: docs/bundle.md allows no more.
MOST = 1e6


class LearnParam(click.ParamType[str]):
    """Parameters to learn: ``head``, ``last:N``, ``all``, or names with commas between."""

    name = "head|last:N|all|NAME,…"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        text = str(value)
        number = text.removeprefix(LAST)
        if text.startswith(LAST) and not (number.isdecimal() and int(number) > 0):
            self.fail(f"{text!r}: expected a number of layers, as in last:3", param, ctx)
        names = [name.strip() for name in text.split(",")]
        if not all(names):
            self.fail(
                f"{text!r}: expected head, last:N, all, or names of parameters with commas between",
                param,
                ctx,
            )
        return ",".join(names)


LEARN_OPTIONS = (
    click.option(
        "--learn",
        type=LearnParam(),
        help="Put a training graph into the bundle, so that a device learns the last layer, the "
        "last N, all, or the parameters of these names; the others stay as they are.",
    ),
    click.option(
        "--loss",
        type=click.Choice(LOSSES),
        help="What a step lowers; by default cross_entropy.",
    ),
    click.option(
        "--optimiser",
        "--optimizer",
        type=click.Choice(OPTIMISERS),
        help="Of the steps; by default adam.",
    ),
    click.option(
        "--learning-rate",
        "--lr",
        type=FiniteRange(0, MOST, min_open=True, max_open=True),
        help="Of a step that is told no other; by default 0.001 of adam, 0.01 of sgd.",
    ),
    click.option("--momentum", type=FiniteRange(0, 1, max_open=True), help="Momentum of sgd."),
    click.option("--weight-decay", type=FiniteRange(0, MOST), help="L2, added to each gradient."),
    click.option(
        "--learn-norm",
        type=click.Choice(NORMALISATIONS),
        help="Statistics of batch normalisation: frozen as they are, or of each batch; by default "
        "batch with --learn all, else frozen.",
    ),
    click.option(
        "--label-smoothing",
        type=FiniteRange(0, 1, max_open=True),
        help="Share of the labels that is spread over all classes, for cross_entropy.",
    ),
    click.option(
        "--learn-memory",
        type=click.FloatRange(0, min_open=True),
        metavar="MB",
        help="Memory that a step may take, beyond what Python, numpy and the engine do: "
        "activations are computed again in the backward pass until it fits.",
    ),
    click.option(
        "--learn-batch",
        type=click.IntRange(1),
        metavar="N",
        help="Images of the step that --learn-memory is for; by default 16, or the fixed batch.",
    ),
)


@dataclass(frozen=True)
class Learning:
    """Values of `LEARN_OPTIONS` from the command line, by their names; None is not given."""

    learn: str | None
    loss: Loss | None
    optimiser: Optimiser | None
    learning_rate: float | None
    momentum: float | None
    weight_decay: float | None
    learn_norm: Normalisation | None
    label_smoothing: float | None
    learn_memory: float | None
    learn_batch: int | None

    def options(self) -> LearnOptions | None:
        """The options of the export; None where nothing is to be learnt.

        Raises:
            click.UsageError: options that go with another one, without it.
        """
        given = [
            f"--{each.name.replace('_', '-')}"
            for each in fields(self)
            if getattr(self, each.name) is not None
        ]
        if self.learn is None:
            if given:
                raise click.UsageError(f"{', '.join(given)}: only with --learn, as in --learn head")
            return None
        from edgecnn.exporting.learn import DEFAULT_RATES, LearnOptions

        optimiser = self.optimiser or "adam"
        if self.momentum is not None and optimiser != "sgd":
            raise click.UsageError("--momentum: only with --optimiser sgd")
        loss = self.loss or "cross_entropy"
        if self.label_smoothing is not None and loss != "cross_entropy":
            raise click.UsageError("--label-smoothing: only with --loss cross_entropy")
        if self.learn_batch is not None and self.learn_memory is None:
            raise click.UsageError("--learn-batch: only with --learn-memory")
        return LearnOptions(
            learn=self.learn,
            loss=loss,
            optimiser=optimiser,
            learning_rate=self.learning_rate or DEFAULT_RATES[optimiser],
            momentum=self.momentum or 0.0,
            weight_decay=self.weight_decay or 0.0,
            normalisation=self.learn_norm,
            smoothing=self.label_smoothing or 0.0,
            memory_mb=self.learn_memory,
            memory_batch=self.learn_batch,
        )


def learn_options(command: Callable[..., object]) -> Callable[..., object]:
    """Add the options of learning; the command gets them as one, `learning`."""

    @functools.wraps(command)
    def gathered(**arguments: Any) -> object:
        own = {each.name: arguments.pop(each.name) for each in fields(Learning)}
        return command(**arguments, learning=Learning(**own))

    for option in reversed(LEARN_OPTIONS):
        gathered = option(gathered)
    return gathered
