"""``edgecnn learn``: a bundle learns from labelled images on this machine, into a new bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.commands.options import FiniteRange, bundle_argument, json_option, quiet_option

if TYPE_CHECKING:
    from edgecnn.learn.classes import LabelSource


@click.command("learn", short_help="Learn from labelled images, into a new bundle.")
@bundle_argument
@click.option(
    "--data",
    required=True,
    metavar="NAME|FOLDER",
    help="mnist, fashion-mnist, cifar10, or a folder of class folders.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Passes over the images, at most.",
)
@click.option(
    "--batch", type=click.IntRange(1), help="Images a step; by default 16, or all if fewer."
)
@click.option(
    "--learning-rate",
    "--lr",
    type=FiniteRange(0, 1e6, min_open=True, max_open=True),
    help="Of each step; by default the bundle's.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Bundle to write; by default NAME.learnt.edge beside BUNDLE.",
)
@click.option(
    "--held-out",
    type=FiniteRange(0, 1, min_open=True, max_open=True),
    help="Share of each class that judges and is not learnt; by default 0.2.",
)
@click.option(
    "--patience",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="End after so many epochs without a better one.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the held-out images and of the order of the others.",
)
@click.option(
    "--labels",
    type=click.Choice(["bundle", "folders"]),
    help="Classes of the new bundle; by default the bundle's where every folder is one of them.",
)
@click.option(
    "--classes",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Class of each folder: a file of lines NAME NUMBER, or JSON.",
)
@click.option("--limit", type=click.IntRange(1), help="At most this many images, drawn uniformly.")
@click.option("--strict", is_flag=True, help="A broken image is an error; else it is left out.")
@click.option("--resume", is_flag=True, help="Go on where the same learning was interrupted.")
@click.option("--force", is_flag=True, help="Replace whatever bundle is at the output.")
@json_option
@quiet_option
def command(
    bundle: str,
    data: str,
    epochs: int,
    batch: int | None,
    learning_rate: float | None,
    output: Path | None,
    held_out: float | None,
    patience: int,
    seed: int,
    labels: LabelSource | None,
    classes: Path | None,
    limit: int | None,
    strict: bool,
    resume: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Learn from the images of --data with the training graph of BUNDLE, into a new bundle.

    `edgecnn export MODEL --learn head` writes such a bundle. A folder of data has a folder of
    images for each class, or train/ and test/ with those; names of folders that are labels of the
    bundle keep its classes, others become new classes. Images are read as an app would read them.

    Held-out images choose the best epoch, and judge the artefacts of the new bundle against those
    of BUNDLE: accuracies with 95 % intervals (Wilson), answers lost and won, and how likely so
    uneven a change is by chance (McNemar, exact).

    \b
    Examples:
      edgecnn learn mine.edge --data photographs/ --epochs 30
      edgecnn learn mine.edge --data photographs/ -o better.edge
      edgecnn learn mine.edge --data photographs/ -o better.edge --resume
    """
    from edgecnn.console import note
    from edgecnn.learn.options import LearningOptions
    from edgecnn.results.learn import learn_bundle
    from edgecnn.results.printing import print_result

    options = LearningOptions(
        epochs,
        batch,
        learning_rate,
        output,
        held_out,
        patience,
        seed,
        labels,
        classes,
        limit,
        strict,
        resume,
        force,
    )
    result = learn_bundle(bundle, data, options, quiet=quiet or as_json)
    for line in result.notes():
        note(line, quiet=quiet)
    print_result(result, as_json=as_json)
    return result.exit_code
