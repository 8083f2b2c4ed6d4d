"""``edgecnn run``: classify images with a bundle, as an app would."""

from __future__ import annotations

import click

from edgecnn.commands.budget_options import budget_options
from edgecnn.commands.options import (
    bundle_argument,
    engine_option,
    json_option,
    precision_option,
    quiet_option,
    threads_option,
)
from edgecnn.console import complain, note
from edgecnn_runtime.budget import Budget


@click.command("run", short_help="Classify images, as an app would.")
@bundle_argument
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "--top", type=click.IntRange(1), default=3, show_default=True, help="Classes to show."
)
@engine_option
@precision_option
@threads_option
@budget_options
@json_option
@quiet_option
def command(
    bundle: str,
    images: tuple[str, ...],
    top: int,
    engine: str | None,
    precision: str | None,
    threads: int | None,
    max_memory: int,
    max_seconds: float,
    as_json: bool,
    quiet: bool,
) -> int:
    """Run BUNDLE on each IMAGE and print the likeliest classes with their scores.

    Without --engine and --precision it runs what an app's open takes: the fastest here. A line on
    stderr says which that is, and why.

    A file that is no image is named on stderr and skipped; the exit code is then 1. The bundle is
    opened in a process of its own, which ends where it costs more than --max-memory or
    --max-seconds.

    \b
    Example:
      edgecnn run mobilenet_v2.edge cat.jpg coffee.jpg --top 1
    """
    from edgecnn.progress_bar import waiting
    from edgecnn.results.printing import print_result
    from edgecnn.results.run import RunOptions, classify_images

    budget = Budget(max_memory, max_seconds)
    options = RunOptions(top, engine, precision, threads, budget)
    with waiting("run", quiet=quiet or as_json):
        result = classify_images(bundle, images, options)
    for line in result.failures:
        complain(line)
    print_result(result, as_json=as_json)
    if not result.failures:
        note(
            f"answered by {result.artefact} with {result.engine}: {result.reason}",
            quiet=quiet or as_json,
        )
    return result.exit_code
