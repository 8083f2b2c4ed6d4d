"""``edgecnn train``: a network of the zoo on data, to a checkpoint that describes itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.commands.options import (
    FiniteRange,
    ShapeParam,
    form_options,
    json_option,
    quiet_option,
)
from edgecnn.commands.quantise_options import PrecisionParam
from edgecnn.train.recipe import Recipe
from edgecnn.zoo import Form

if TYPE_CHECKING:
    from edgecnn.train.options import TrainOptions

# Options for fields of the recipe; the family's recipe gives the others.
RECIPE = tuple(field.name for field in fields(Recipe) if field.name != "augmentation")


@click.command("train", short_help="Train a network, to a checkpoint that exports.")
@click.argument("name")
@click.option("--data", required=True, help="mnist, fashion-mnist, cifar10, or a folder.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder to write.")
@form_options
@click.option("--input", "shape", type=ShapeParam(), help="Input of the network, as 1x3x96x96.")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the training images.")
@click.option("--batch-size", type=click.IntRange(2), help="Images a step, over all processes.")
@click.option("--optimiser", "--optimizer", type=click.Choice(["sgd", "adamw"]))
@click.option("--learning-rate", "--lr", type=FiniteRange(0, min_open=True))
@click.option("--momentum", type=FiniteRange(0, 1, max_open=True), help="Momentum of SGD.")
@click.option("--weight-decay", type=FiniteRange(0))
@click.option("--schedule", type=click.Choice(["cosine", "one-cycle", "constant"]))
@click.option("--warmup-epochs", type=FiniteRange(0), help="Warm-up of the cosine schedule.")
@click.option("--label-smoothing", type=FiniteRange(0, 1, max_open=True))
@click.option(
    "--ema",
    type=FiniteRange(0, 1, max_open=True),
    help="Decay of the weights' moving average.",
)
@click.option("--augment", help="Any of crop,flip,jitter,lighting, or none.")
@click.option("--mixup", type=FiniteRange(0), help="α of mixup; 0 turns it off.")
@click.option(
    "--dropout", type=FiniteRange(0, 1, max_open=True), help="Rate of all dropout layers."
)
@click.option("--clip", type=FiniteRange(0), help="Largest gradient norm; 0 turns clipping off.")
@click.option("--seed", type=click.IntRange(0))
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads of PyTorch on the CPU.")
@click.option("--init-from", type=click.Path(path_type=Path), help="Checkpoint to begin with.")
@click.option(
    "--quantize",
    "--quantise",
    "precision",
    type=PrecisionParam(),
    metavar="int8",
    help="Train the float network of --init-from on as it runs in 8 bits: weights, biases and "
    "scales. `edgecnn export CHECKPOINT --quantize int8` then takes these scales.",
)
@click.option(
    "--teacher",
    type=click.Path(path_type=Path),
    help="With --quantize: checkpoint of a float network whose answers are imitated, of the same "
    "classes and input; by default that of --init-from.",
)
@click.option("--reset-head", is_flag=True, help="Begin with a new last layer.")
@click.option("--progressive", is_flag=True, help="VGG: train 11, 13, 16 … each from the last.")
@click.option("--resume", is_flag=True, help="Continue the training in the folder.")
@click.option("--strict", is_flag=True, help="A broken image is an error; else it is left out.")
@json_option
@quiet_option
def command(
    name: str,
    data: str,
    output: Path | None,
    classes: int | None,
    width: float | None,
    depth: float | None,
    stem: str | None,
    phi: float | None,
    shape: tuple[int, int, int] | None,
    augment: str | None,
    init_from: Path | None,
    precision: str | None,
    teacher: Path | None,
    reset_head: bool,
    progressive: bool,
    resume: bool,
    strict: bool,
    as_json: bool,
    quiet: bool,
    **recipe: Any,
) -> None:
    """Train NAME of `edgecnn zoo`. Every epoch writes a checkpoint into the output folder.

    With --quantize int8, NAME may be package.module:factory too.

    A folder of data has a folder of images for each class, or train/ and test/ with those. Options
    that are not given take the values that train the family well. Several processes or machines:
    torchrun --nproc-per-node 2 -m edgecnn train NAME …

    \b
    Examples:
      edgecnn train lenet5 --data mnist --epochs 12
      edgecnn train mobilenet_v2 --width 0.25 --data cifar10
      edgecnn train mobilenet_v2 --data cifar10 --width 0.25 --resume
      edgecnn train resnet18 --data photos --init-from net.pth --reset-head
      edgecnn train vgg19 --width 0.125 --data cifar10 --progressive
      edgecnn train resnet20 --data cifar10 --init-from net.pth --quantize int8
    """
    _check_quantised(precision, init_from, teacher, reset_head, progressive)
    from edgecnn.progress_bar import load_torch
    from edgecnn.train.options import TrainOptions, is_first

    changes = {field: recipe[field] for field in RECIPE if recipe[field] is not None}
    if augment is not None:
        changes["augmentation"] = () if augment == "none" else tuple(augment.split(","))
    options = TrainOptions(
        name=name,
        data=data,
        output=output or _folder(name, data, precision),
        form=Form(classes, width, depth, stem, phi),
        shape=shape,
        recipe=changes,
        init_from=init_from,
        is_head_reset=reset_head,
        is_resumed=resume,
        is_strict=strict,
        quiet=quiet or as_json,
        is_quantised=precision is not None,
        teacher=teacher,
    )
    load_torch(quiet=options.quiet or not is_first())
    trained = _progressive(options) if progressive else [_train(options)]
    _print(trained, as_json=as_json)


def _check_quantised(
    precision: str | None,
    init_from: Path | None,
    teacher: Path | None,
    reset_head: bool,
    progressive: bool,
) -> None:
    if precision is None:
        if teacher is not None:
            raise click.UsageError("--teacher: only with --quantize int8")
        return
    if init_from is None:
        raise click.UsageError(
            "--quantize int8 trains a float network on: name its checkpoint with --init-from"
        )
    given = {"--reset-head": reset_head, "--progressive": progressive}
    if named := [option for option, is_given in given.items() if is_given]:
        raise click.UsageError(
            f"{', '.join(named)}: not with --quantize int8; train the float network so first"
        )


def _folder(name: str, data: str, precision: str | None) -> Path:
    own = name.partition(":")[2] or name
    return Path("runs") / "-".join(filter(None, (own, Path(data).name, precision)))


def _train(options: TrainOptions) -> Mapping[str, Any]:
    from edgecnn.console import note
    from edgecnn.report.plots.training import draw_curve
    from edgecnn.report.training import announcement, watch
    from edgecnn.train.options import is_first
    from edgecnn.train.plan import prepare
    from edgecnn.train.run import run
    from edgecnn_runtime.install_hint import install_hint

    is_silent = options.quiet or not is_first()
    job, notes = prepare(options)
    is_drawn = find_spec("matplotlib") is not None
    if not is_drawn:
        notes = (*notes, f"no curve is drawn: that needs matplotlib; {install_hint('plot')}")
    for line in notes:
        note(f"note: {line}", quiet=is_silent)
    note(announcement(job), quiet=is_silent)
    with watch(job.recipe.epochs, quiet=is_silent) as observer:
        return run(job, observer, draw_curve if is_drawn else None)


def _progressive(options: TrainOptions) -> list[Mapping[str, Any]]:
    from edgecnn.train.progressive import chain

    return [_train(step) for step in chain(options)]


def _print(trained: list[Mapping[str, Any]], *, as_json: bool) -> None:
    from edgecnn.documents.train import trained_fields
    from edgecnn.results.printing import print_result
    from edgecnn.results.train import TrainResult
    from edgecnn.train.options import is_first

    if is_first():
        print_result(TrainResult(tuple(map(trained_fields, trained))), as_json=as_json)
