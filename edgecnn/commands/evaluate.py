"""``edgecnn evaluate``: task accuracy of a bundle's artefacts, paired against float."""

from __future__ import annotations

from pathlib import Path

import click

from edgecnn.commands.budget_options import budget_options
from edgecnn.commands.options import (
    bundle_argument,
    engine_option,
    json_option,
    quiet_option,
)


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
    from edgecnn.console import note
    from edgecnn.results.evaluate import EvaluateOptions, evaluate_bundle
    from edgecnn.results.printing import print_result
    from edgecnn_runtime.budget import Budget

    options = EvaluateOptions(
        against,
        classes,
        limit,
        processes,
        strict,
        engine,
        precision,
        Budget(max_memory, max_seconds),
    )
    result = evaluate_bundle(bundle, data, options, quiet=quiet or as_json)
    for line in result.notes:
        note(line, quiet=quiet)
    if result.broken:
        note(result.broken_words(), quiet=quiet)
    print_result(result, as_json=as_json)
