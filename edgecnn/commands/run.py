"""``edgecnn run``: classify images with a bundle, as an app would."""

from __future__ import annotations

from dataclasses import asdict

import click

from edgecnn.commands.options import (
    bundle_argument,
    engine_option,
    json_option,
    precision_option,
    quiet_option,
    threads_option,
)
from edgecnn.console import complain
from edgecnn.exit_codes import FAILED
from edgecnn_runtime.errors import ImageError
from edgecnn_runtime.tasks import Classification

SCHEMA = "edgecnn.run/1"


@click.command("run", short_help="Classify images, as an app would.")
@bundle_argument
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "--top", type=click.IntRange(1), default=3, show_default=True, help="Classes to show."
)
@engine_option
@precision_option
@threads_option
@json_option
@quiet_option
def command(
    bundle: str,
    images: tuple[str, ...],
    top: int,
    engine: str | None,
    precision: str | None,
    threads: int | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Run BUNDLE on each IMAGE and print the likeliest classes with their scores.

    A file that is no image is named on stderr and skipped; the exit code is then 1.

    \b
    Example:
      edgecnn run mobilenet_v2.edge cat.jpg coffee.jpg --top 1
    """
    import edgecnn_runtime
    from edgecnn.console import print_json
    from edgecnn.report.run_table import print_classes

    results: dict[str, list[Classification]] = {}
    failed = 0
    with edgecnn_runtime.open(
        bundle, engine=engine, precision=precision, threads=threads
    ) as session:
        for image in images:
            try:
                results[image] = session.classify(image, top)
            except ImageError as error:
                complain(error)
                failed += 1
        used = {"engine": session.engine.name, "precision": session.artefact.precision}
    if as_json:
        listed = [
            {"image": image, "classes": [asdict(prediction) for prediction in classes]}
            for image, classes in results.items()
        ]
        print_json(SCHEMA, {"bundle": bundle} | used | {"images": listed})
    elif results:
        print_classes(results)
    return FAILED if failed else 0
