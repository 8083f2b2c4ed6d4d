"""Tables of ``edgecnn verify``: parity rows, a user's images, and ways to prepare them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edgecnn.console import coloured, echo, stdout, table

if TYPE_CHECKING:
    from edgecnn.verify.held_out import HeldOutComparison
    from edgecnn.verify.preprocess.certify import Cost, WayCost
    from edgecnn_runtime.parity.row import Parity
    from edgecnn_runtime.parity.verdict import ParityVerdict

COLOURS: Mapping[ParityVerdict, str] = {
    "equal": "green",
    "weak": "yellow",
    "differs": "red",
    "crashed": "red",
    "skipped": "yellow",
}
COST_COLUMNS = ("way", "stands for", "largest", "mean", "same class", "SQNR", "n")


def print_rows(rows: Sequence[Parity], beside: str | None = None) -> None:
    """One row an artefact and engine: the verdict, and the difference of its outputs.

    Args:
        beside: name of the file of golden examples beside the bundle, where there is one.
    """
    shown = table(
        ("what", "engine", "precision", "verdict", "error", "SQNR", "top-1", "limit"),
        right=("error", "SQNR", "top-1"),
    )
    for row in rows:
        verdict = coloured(row.verdict, COLOURS[row.verdict])
        engine = "" if row.engine is None else row.engine.words()
        shown.add_row(
            row.subject, engine, row.precision, verdict, *_difference_cells(row), row.note
        )
    stdout().print(shown)
    counts = {row.difference.n for row in rows if row.difference is not None and row.engine}
    if counts:
        examples = f"examples of {beside}" if beside else "golden examples"
        echo(
            f"\nn = {max(counts)} {examples}; error: share of an output's spread; "
            "SQNR: of the worst group\nof output channels, about the mean"
        )


def _difference_cells(row: Parity) -> tuple[str, str, str]:
    difference = row.difference
    if difference is None:
        return "", "", ""
    top1 = f"{difference.top1_agreement:.0%}" if row.engine else ""
    return f"{difference.relative:.1e}", f"{difference.sqnr_db:.0f} dB", top1


def print_held_out(comparison: HeldOutComparison) -> None:
    """One row an artefact and engine: its outputs for a user's images against the float graph."""
    columns = ("same class (95 %)", "error", "SQNR", "within 1 step")
    shown = table(("what", "engine", *columns), right=columns)
    for row in comparison.rows:
        difference = row.difference
        low, high = difference.top1_interval
        same = f"{difference.top1_agreement:.2%} ({100 * low:.2f}–{100 * high:.2f})"
        near = "" if row.within_a_step is None else f"{row.within_a_step:.2%}"
        figures = f"{difference.relative:.1e}", f"{difference.sqnr_db:.0f} dB", near
        shown.add_row(row.subject, row.engine, same, *figures)
    echo()
    stdout().print(shown)
    echo(
        f"\nagainst {comparison.reference}, n = {comparison.count:,} images of "
        f"{comparison.data}; within 1 step: "
        "results of\n8 bits that lie no more than one step from those of model.int8.onnx"
    )


def print_costs(rows: Sequence[WayCost], data: str | None, used: str, count: int) -> None:
    """One row a way to prepare images: its cost against the bundle's own preprocessing.

    Args:
        data: name of the images; None for the photographs that come with edgecnn.
        used: the artefact and its engine, in words.
        count: of the images.
    """
    shown = table(COST_COLUMNS, right=COST_COLUMNS[2:])
    for row in rows:
        if row.cost is None:
            shown.add_row(row.way, row.note)
        else:
            shown.add_row(row.way, row.stands_for, *_cost_cells(row.cost))
    stdout().print(shown)
    inputs = f"images of {data}" if data else "photographs, their mirror images and crops"
    echo(
        f"\nagainst the bundle's own preprocessing, {used}, n = {count} {inputs};"
        "\ndifferences of the input in grey levels of 256; in brackets 95 % intervals (Wilson)"
    )


def _cost_cells(cost: Cost) -> tuple[str, ...]:
    low, high = cost.interval
    return (
        f"{cost.largest_levels:.1f}",
        f"{cost.mean_levels:.2f}",
        f"{cost.agreed / cost.n:.1%} ({100 * low:.1f}–{100 * high:.1f})",
        f"{cost.sqnr_db:.1f} dB",
        str(cost.n),
    )
