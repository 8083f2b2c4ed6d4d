"""``edgecnn evaluate``: task accuracy of a bundle's artefacts, paired against float."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgecnn.commands.budget_options import budget_options
from edgecnn.commands.options import (
    bundle_argument,
    engine_option,
    json_option,
    quiet_option,
)

if TYPE_CHECKING:
    from edgecnn.evaluate.run import Outcome

SCHEMA = "edgecnn.evaluate/1"
# Broken images that are named; the others are counted.
NAMED = 3


@click.command("evaluate", short_help="Measure the accuracy of a bundle on labelled images.")
@bundle_argument
@click.option(
    "--data",
    required=True,
    metavar="NAME|FOLDER",
    help="mnist, fashion-mnist, cifar10, imagenet-samples, or a folder of class folders.",
)
@click.option("--against", metavar="BUNDLE", help="Baseline; by default the fp32 of BUNDLE.")
@click.option(
    "--classes",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Class of each folder: a file of lines NAME NUMBER, or JSON.",
)
@click.option("--limit", type=click.IntRange(1), help="At most this many images, drawn uniformly.")
@click.option(
    "--processes", type=click.IntRange(1, 256), help="Processes; by default one for each core."
)
@click.option("--strict", is_flag=True, help="A broken image is an error; else it is left out.")
@engine_option
@click.option("--precision", help="Precision to use; by default all in the bundle.")
@budget_options
@json_option
@quiet_option
def command(
    bundle: str,
    data: str,
    against: str | None,
    classes: Path | None,
    limit: int | None,
    processes: int | None,
    strict: bool,
    engine: str | None,
    precision: str | None,
    max_memory: int,
    max_seconds: float,
    as_json: bool,
    quiet: bool,
) -> None:
    """Classify every image of --data with each artefact of BUNDLE, as an app would.

    Printed are top-1 and top-5 with their 95 % intervals (Wilson), and for each artefact but the
    baseline how often it gives the same class, which answers it lost and won, and how likely so
    uneven a change is by chance (McNemar, exact).

    Folders are matched with the labels of the bundle by name.

    \b
    Examples:
      edgecnn evaluate resnet20.edge --data cifar10
      edgecnn evaluate mine.edge --data photographs/ --limit 1000
      edgecnn evaluate new.edge --against old.edge --data photographs/
    """
    from edgecnn.console import note, print_json
    from edgecnn.evaluate.class_names import classes_of, read_mapping
    from edgecnn.evaluate.examples import open_examples
    from edgecnn.evaluate.run import find_variants, run
    from edgecnn.progress_bar import bar
    from edgecnn.report.blocks import print_blocks
    from edgecnn.report.evaluate_tables import accuracy_blocks, as_rows
    from edgecnn_runtime.budget import Budget

    names = classes_of(bundle, read_mapping(classes) if classes else {})
    variants = find_variants(bundle, engine, precision)
    if against is not None:
        _check_same_classes(against, bundle, names.classes)
        variants = [find_variants(against, engine, None)[0], *variants]
    talk_less = quiet or as_json
    examples = open_examples(data, names, quiet=talk_less).limited(limit)
    for each in examples.notes:
        note(each, quiet=quiet)
    budget = Budget(max_memory, max_seconds)
    with bar("evaluate", quiet=talk_less) as progress:
        outcome = run(
            variants,
            examples,
            processes=processes,
            is_strict=strict,
            budget=budget,
            progress=progress,
        )
    if outcome.broken:
        note(_say_broken(outcome), quiet=quiet)
    result = {
        "bundle": bundle,
        "data": examples.name,
        "images": len(outcome.labels),
        "broken": len(outcome.broken),
        "notes": list(examples.notes),
        "rows": as_rows(outcome, variants),
    }
    if as_json:
        print_json(SCHEMA, result)
    else:
        print_blocks(accuracy_blocks(result, names.classes))


def _check_same_classes(against: str, bundle: str, classes: int) -> None:
    from edgecnn.evaluate.class_names import classes_of
    from edgecnn_runtime.errors import NotAClassifier

    others = classes_of(against).classes
    if others != classes:
        raise NotAClassifier(
            f"{against} has {others} classes, {bundle} {classes}; only networks for the same "
            "classes can be compared"
        )


def _say_broken(outcome: Outcome) -> str:
    total = len(outcome.labels) + len(outcome.broken)
    shown = "; ".join(outcome.broken[:NAMED])
    rest = len(outcome.broken) - NAMED
    more = f"; and {rest:,} more" if rest > 0 else ""
    return f"{len(outcome.broken):,} of {total:,} images cannot be read, left out: {shown}{more}"
