"""``edgecnn verify --preprocess``: what other ways to prepare an image cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from edgecnn.commands.options import Command
from edgecnn.exit_codes import OK

if TYPE_CHECKING:
    from edgecnn.verify.preprocess.certify import Cost, Row

SCHEMA = "edgecnn.verify-preprocess/1"
COLUMNS = ("way", "stands for", "largest", "mean", "same class", "SQNR", "n")
# Twenty ways of so many images of a data set take a minute.
LIMIT = 256


def preprocess_options(command: Command) -> Command:
    """The options of the certificate."""
    asked = click.option(
        "--preprocess",
        "by_hand",
        is_flag=True,
        help="Compare ways to prepare pictures with the bundle's own.",
    )
    data = click.option(
        "--data",
        metavar="NAME|FOLDER",
        help="Hold every artefact on every engine to the float graph on these pictures too: a "
        "folder, mnist, fashion-mnist, cifar10, imagenet-samples. With --preprocess, prepare them.",
    )
    return asked(data(command))


def print_certificate(
    bundle: str,
    data: str | None,
    engines: Sequence[str],
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Prepare the same pictures in every way, print what each costs, and return the exit code.

    Raises:
        BundleError, EngineError: the bundle cannot be trusted, or nothing in it can run here.
        NotAClassifier: it has no preprocessing, or no scores of classes.
        DataUnreadable, FetchError, ImageError: there are no such pictures.
    """
    import edgecnn_runtime
    from edgecnn.console import bar, print_json
    from edgecnn.data.pictures import PHOTOGRAPHS
    from edgecnn.verify.preprocess.certify import certify
    from edgecnn.verify.preprocess.pictures import find_pictures

    with edgecnn_runtime.open(bundle, engine=next(iter(engines), None)) as session:
        pictures = find_pictures(data, LIMIT, quiet=quiet or as_json)
        with bar("prepare", quiet=quiet or as_json) as progress:
            rows = certify(session, pictures, progress)
        used = f"{session.artefact.path} by {session.engine.name}"
    name = data or PHOTOGRAPHS
    if as_json:
        result = {"bundle": bundle, "artefact": used, "data": name, "pictures": len(pictures)}
        print_json(SCHEMA, result | {"rows": [asdict(row) for row in rows]})
        return OK
    _print(rows)
    said = f"pictures of {data}" if data else "photographs, their mirror images and crops"
    click.echo(
        f"\nagainst the bundle's own preprocessing, {used}, n = {len(pictures)} {said};"
        "\ndifferences of the input in grey levels of 256; in brackets 95 % intervals (Wilson)"
    )
    return OK


def _print(rows: list[Row]) -> None:
    from edgecnn.console import stdout, table

    shown = table(COLUMNS, right=COLUMNS[2:])
    for row in rows:
        if row.cost is None:
            shown.add_row(row.way, row.note)
        else:
            shown.add_row(row.way, row.stands_for, *_figures(row.cost))
    stdout().print(shown)


def _figures(cost: Cost) -> tuple[str, ...]:
    low, high = cost.interval
    return (
        f"{cost.largest_levels:.1f}",
        f"{cost.mean_levels:.2f}",
        f"{cost.agreed / cost.n:.1%} ({100 * low:.1f}–{100 * high:.1f})",
        f"{cost.sqnr_db:.1f} dB",
        str(cost.n),
    )
