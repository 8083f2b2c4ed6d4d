"""``edgecnn verify --preprocess``: cost of preprocessing an image differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from edgecnn.commands.options import Command
from edgecnn.exit_codes import OK

SCHEMA = "edgecnn.verify-preprocess/1"
# Twenty ways of so many images of a data set take a minute.
LIMIT = 256


def preprocess_options(command: Command) -> Command:
    """Add the options of the preprocessing certificate."""
    preprocess = click.option(
        "--preprocess",
        "by_hand",
        is_flag=True,
        help="Compare other ways to prepare images with the bundle's own.",
    )
    data = click.option(
        "--data",
        metavar="NAME|FOLDER",
        help="Compare every artefact on every engine with the float graph on these images: "
        "a folder, mnist, fashion-mnist, cifar10, imagenet-samples. With --preprocess, the images "
        "to prepare.",
    )
    return preprocess(data(command))


def print_certificate(
    bundle: str,
    data: str | None,
    engines: Sequence[str],
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Prepare the same images in every way, print the cost of each, and return the exit code.

    Raises:
        BundleError, EngineError: the bundle cannot be trusted, or nothing in it can run here.
        NotAClassifier: it has no preprocessing, or no scores of classes.
        DataUnreadable, FetchError, ImageError: there are no such images.
    """
    import edgecnn_runtime
    from edgecnn.console import print_json
    from edgecnn.data.pictures import PHOTOGRAPHS
    from edgecnn.progress_bar import bar
    from edgecnn.report.blocks import print_blocks
    from edgecnn.report.verify_tables import cost_blocks
    from edgecnn.verify.preprocess.certify import certify
    from edgecnn.verify.preprocess.pictures import verification_images

    with edgecnn_runtime.open(bundle, engine=next(iter(engines), None)) as session:
        pictures = verification_images(data, LIMIT, quiet=quiet or as_json)
        with bar("prepare", quiet=quiet or as_json) as progress:
            rows = certify(session, pictures, progress)
        used = f"{session.artefact.path} by {session.engine.name}"
    name = data or PHOTOGRAPHS
    if as_json:
        result = {"bundle": bundle, "artefact": used, "data": name, "pictures": len(pictures)}
        print_json(SCHEMA, result | {"rows": [asdict(row) for row in rows]})
        return OK
    print_blocks(cost_blocks(rows, data, used, len(pictures)))
    return OK
