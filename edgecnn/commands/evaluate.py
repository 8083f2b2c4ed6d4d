"""``edgecnn evaluate``: how often a bundle is right, and what that costs against float."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgecnn.commands.options import (
    bundle_argument,
    engine_option,
    json_option,
    quiet_option,
)

if TYPE_CHECKING:
    from edgecnn.evaluate.run import Outcome, Variant

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
    help="File that says which class a folder is: lines NAME NUMBER, or JSON.",
)
@click.option("--limit", type=click.IntRange(1), help="Images at most, drawn from all alike.")
@click.option("--processes", type=click.IntRange(1, 256), help="By default one for each core.")
@click.option("--strict", is_flag=True, help="A broken image is an error, not left out.")
@engine_option
@click.option("--precision", help="Precision to use; by default every one held.")
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
    from edgecnn.console import bar, note, print_json
    from edgecnn.evaluate.class_names import classes_of, read_mapping
    from edgecnn.evaluate.examples import open_examples
    from edgecnn.evaluate.run import find_variants, run

    names = classes_of(bundle, read_mapping(classes) if classes else {})
    variants = find_variants(bundle, engine, precision)
    if against is not None:
        _check_same_classes(against, bundle, names.classes)
        variants = [find_variants(against, engine, None)[0], *variants]
    talk_less = quiet or as_json
    examples = open_examples(data, names, quiet=talk_less).limited(limit)
    for each in examples.notes:
        note(each, quiet=quiet)
    with bar("evaluate", quiet=talk_less) as progress:
        outcome = run(variants, examples, processes=processes, is_strict=strict, progress=progress)
    if outcome.broken:
        note(_say_broken(outcome), quiet=quiet)
    rows = [_row(outcome, index, variant) for index, variant in enumerate(variants)]
    result = {
        "bundle": bundle,
        "data": examples.name,
        "images": len(outcome.labels),
        "broken": len(outcome.broken),
        "notes": list(examples.notes),
        "rows": rows,
    }
    if as_json:
        print_json(SCHEMA, result)
    else:
        _print(result, names.classes)


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


def _row(outcome: Outcome, index: int, variant: Variant) -> dict[str, Any]:
    from edgecnn.evaluate.paired import compare

    answers, baseline = outcome.answers[index], outcome.answers[0]
    row: dict[str, Any] = asdict(variant)
    for name, places in (("top1", 1), ("top5", 5)):
        row[name] = _share(int((answers.ranks < places).sum()), len(outcome.labels))
    if index > 0:
        paired = compare(baseline.classes, answers.classes, outcome.labels)
        agreement = _share(paired.same, paired.images)
        row["paired"] = asdict(paired) | {"agreement": agreement}
    return row


def _share(right: int, total: int) -> dict[str, Any]:
    from edgecnn_runtime.measure.statistics import wilson_interval

    return {"count": right, "share": right / total, "interval": wilson_interval(right, total)}


def _print(result: dict[str, Any], classes: int) -> None:
    from edgecnn.console import stdout, table

    rows = result["rows"]
    names = _name_rows(rows)
    ranks = ["top-1", "top-5"] if classes > 5 else ["top-1"]
    shown = table(("", "engine", *ranks), right=ranks)
    for name, row in zip(names, rows, strict=True):
        shown.add_row(name, row["engine"], *(_words(row[rank.replace("-", "")]) for rank in ranks))
    stdout().print(shown)
    if len(rows) > 1:
        columns = ("same class", "right → wrong", "wrong → right", "McNemar's p")
        shown = table((f"against {names[0]}", *columns), right=columns)
        for name, row in zip(names[1:], rows[1:], strict=True):
            paired = row["paired"]
            lost, won = paired["right_to_wrong"], paired["wrong_to_right"]
            cells = (_words(paired["agreement"]), f"{lost:,}", f"{won:,}", f"{paired['p']:.2g}")
            shown.add_row(name, *cells)
        click.echo()
        stdout().print(shown)
    about = f"n = {result['images']:,} images of {result['data']}"
    click.echo(f"\n{about}; in brackets 95 % intervals (Wilson)")


def _name_rows(rows: list[dict[str, Any]]) -> list[str]:
    """The precision, after the bundle where there are several."""
    if len({row["bundle"] for row in rows}) == 1:
        return [row["precision"] for row in rows]
    return [f"{row['bundle']}, {row['precision']}" for row in rows]


def _words(share: dict[str, Any]) -> str:
    low, high = share["interval"]
    return f"{share['share']:.2%} ({100 * low:.2f}–{100 * high:.2f})"
