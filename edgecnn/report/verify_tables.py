"""Tables of ``edgecnn verify``: parity rows, a user's images, and ways to prepare them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edgecnn.console import coloured, table
from edgecnn.report.blocks import Block
from edgecnn.report.compile_tables import proof_words

if TYPE_CHECKING:
    from edgecnn.text_table import TextTable
    from edgecnn.verify.diagnose import RowDiagnosis
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
    "unproven": "yellow",
}
ROW_COLUMNS = ("what", "engine", "precision", "verdict", "error", "SQNR dB", "top-1", "limit")
NUMBERS = ("error", "SQNR dB", "top-1")
COST_COLUMNS = ("way", "stands for", "largest", "mean", "same class", "SQNR dB", "n")


def parity_blocks(rows: Sequence[Parity], beside: str | None = None) -> list[Block]:
    """One row an artefact and engine: the verdict, and the difference of its outputs.

    Args:
        beside: name of the file of golden examples beside the bundle, where there is one.
    """
    blocks: list[Block] = [_row_table(rows)]
    counts = {row.difference.n for row in rows if row.difference is not None and row.engine}
    if counts:
        examples = f"examples of {beside}" if beside else "golden examples"
        legend = (
            f"n = {max(counts)} {examples}; error: share of an output's spread; "
            "SQNR: of the worst group of output channels, about the mean"
        )
        blocks += ["", legend]
    return blocks


def _row_table(rows: Sequence[Parity]) -> TextTable:
    makes_room = ("precision", "limit")
    shown = table(ROW_COLUMNS, right=NUMBERS, drop=makes_room, below=("limit",), wrap=("limit",))
    for row in rows:
        engine = "" if row.engine is None else row.engine.words()
        verdict = coloured(row.verdict, COLOURS[row.verdict])
        cells = (row.subject, engine, row.precision, verdict, *_difference_cells(row))
        shown.add_row(*cells, row.note)
    return shown


def compiled_parity_blocks(rows: Sequence[Parity]) -> list[Block]:
    """One row a compiled artefact with the kind of its proof, and below what was compared."""
    shown = table(("compiled", "verdict", "proof", "SQNR dB", "top-1"), right=("SQNR dB", "top-1"))
    for row in rows:
        verdict = coloured(row.verdict, COLOURS[row.verdict])
        shown.add_row(row.subject, verdict, row.proof or "", *_difference_cells(row)[1:])
    proofs = [
        f"{row.subject}: {proof_words('' if row.engine is None else row.engine.words(), row.note)}"
        for row in rows
    ]
    return ["", shown, *proofs]


def _difference_cells(row: Parity) -> tuple[str, str, str]:
    difference = row.difference
    if row.learning is not None:
        return f"{row.learning.gradient:.1e}", "", ""
    if difference is None:
        return "", "", ""
    top1 = f"{difference.top1_agreement:.0%}" if row.engine else ""
    return f"{difference.relative:.1e}", f"{difference.sqnr_db:.0f}", top1


def held_out_blocks(comparison: HeldOutComparison) -> list[Block]:
    """One row an artefact and engine: its outputs for a user's images against the float graph."""
    columns = ("same class (95 %)", "error", "SQNR dB", "within 1 step")
    makes_room = ("error", "engine")
    shown = table(("what", "engine", *columns), right=columns, drop=makes_room, below=("engine",))
    for row in comparison.rows:
        difference = row.difference
        low, high = difference.top1_interval
        same = f"{difference.top1_agreement:.2%} ({100 * low:.2f}–{100 * high:.2f})"
        near = "" if row.within_a_step is None else f"{row.within_a_step:.2%}"
        figures = f"{difference.relative:.1e}", f"{difference.sqnr_db:.0f}", near
        shown.add_row(row.subject, row.engine, same, *figures)
    legend = (
        f"against {comparison.reference}, n = {comparison.count:,} images of "
        f"{comparison.data}; within 1 step: "
        "results of 8 bits that lie no more than one step from those of model.int8.onnx"
    )
    return ["", shown, "", legend]


def cost_blocks(rows: Sequence[WayCost], data: str | None, used: str, count: int) -> list[Block]:
    """One row a way to prepare images: its cost against the bundle's own preprocessing.

    Args:
        data: name of the images; None for the photographs that come with edgecnn.
        used: the artefact and its engine, in words.
        count: of the images.
    """
    shown = table(
        COST_COLUMNS, right=COST_COLUMNS[2:], drop=("n", "stands for"), below=("stands for",)
    )
    for row in rows:
        if row.cost is None:
            shown.add_row(row.way, row.note)
        else:
            shown.add_row(row.way, row.stands_for, *_cost_cells(row.cost))
    inputs = f"images of {data}" if data else "photographs, their mirror images and crops"
    legend = (
        f"against the bundle's own preprocessing, {used}, n = {count} {inputs}; "
        "differences of the input in grey levels of 256; in brackets 95 % intervals (Wilson)"
    )
    return [shown, "", legend]


def _cost_cells(cost: Cost) -> tuple[str, ...]:
    low, high = cost.interval
    return (
        f"{cost.largest_levels:.1f}",
        f"{cost.mean_levels:.2f}",
        f"{cost.agreed / cost.n:.1%} ({100 * low:.1f}–{100 * high:.1f})",
        f"{cost.sqnr_db:.1f}",
        str(cost.n),
    )


def finding_blocks(findings: Sequence[RowDiagnosis]) -> list[Block]:
    """The cause of each row that differs."""
    lines = (line for one in findings for line in ("", *one.words().split("\n")))
    return [*lines]
