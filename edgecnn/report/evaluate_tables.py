"""Accuracy and paired comparison of ``edgecnn evaluate``, as JSON rows and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgecnn.console import table
from edgecnn.evaluate.paired import compare
from edgecnn.report.blocks import Block
from edgecnn_runtime.parity.proportion import wilson_interval

if TYPE_CHECKING:
    from edgecnn.evaluate.run import Outcome, Variant


def as_rows(outcome: Outcome, variants: Sequence[Variant]) -> list[dict[str, Any]]:
    """One row an artefact as JSON values; all but the first are paired with the first."""
    return [_row(outcome, index, variant) for index, variant in enumerate(variants)]


def _row(outcome: Outcome, index: int, variant: Variant) -> dict[str, Any]:
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
    return {"count": right, "share": right / total, "interval": wilson_interval(right, total)}


def accuracy_blocks(result: Mapping[str, Any], classes: int) -> list[Block]:
    """Accuracies of all artefacts, and each against the baseline.

    Args:
        result: the document of ``edgecnn evaluate --json``.
        classes: of the network; top-5 of five classes says nothing.
    """
    rows = result["rows"]
    names = _name_rows(rows)
    ranks = ["top-1", "top-5"] if classes > 5 else ["top-1"]
    shown = table(("", "engine", *ranks), right=ranks)
    for name, row in zip(names, rows, strict=True):
        shown.add_row(name, row["engine"], *(_words(row[rank.replace("-", "")]) for rank in ranks))
    blocks: list[Block] = [shown]
    if len(rows) > 1:
        columns = ("same class", "right → wrong", "wrong → right", "McNemar's p")
        shown = table((f"against {names[0]}", *columns), right=columns)
        for name, row in zip(names[1:], rows[1:], strict=True):
            paired = row["paired"]
            lost, won = paired["right_to_wrong"], paired["wrong_to_right"]
            cells = (_words(paired["agreement"]), f"{lost:,}", f"{won:,}", f"{paired['p']:.2g}")
            shown.add_row(name, *cells)
        blocks += ["", shown]
    about = f"n = {result['images']:,} images of {result['data']}"
    return [*blocks, "", f"{about}; in brackets 95 % intervals (Wilson)"]


def _name_rows(rows: list[dict[str, Any]]) -> list[str]:
    """The precision, after the bundle where there are several."""
    if len({row["bundle"] for row in rows}) == 1:
        return [row["precision"] for row in rows]
    return [f"{row['bundle']}, {row['precision']}" for row in rows]


def _words(share: dict[str, Any]) -> str:
    low, high = share["interval"]
    return f"{share['share']:.2%} ({100 * low:.2f}–{100 * high:.2f})"
