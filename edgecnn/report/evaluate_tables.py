"""Tables of ``edgecnn evaluate``: accuracies, and each against the baseline."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn.console import table
from edgecnn.documents.evaluate import EvaluateDocument, EvaluateRow, Share
from edgecnn.report.blocks import Block


def accuracy_blocks(
    result: EvaluateDocument, classes: int, warnings: Sequence[str] = ()
) -> list[Block]:
    """Accuracies of all artefacts, and each against the baseline.

    Args:
        classes: of the network; top-5 of five classes says nothing.
        warnings: sentences below the tables.
    """
    rows = result.rows
    names = _name_rows(rows)
    ranks = ["top-1", "top-5"] if classes > 5 else ["top-1"]
    shown = table(("", "engine", *ranks), right=ranks)
    for name, row in zip(names, rows, strict=True):
        shares = (row.top1, row.top5)[: len(ranks)]
        shown.add_row(name, row.engine, *map(share_words, shares))
    paired = _paired_blocks(names, rows) if len(rows) > 1 else []
    about = f"n = {result.images:,} images of {result.data}; in brackets 95 % intervals (Wilson)"
    below = [line for warning in warnings for line in ("", warning)]
    return [shown, *paired, "", about, *below]


def _paired_blocks(names: Sequence[str], rows: Sequence[EvaluateRow]) -> list[Block]:
    columns = ("same class", "right → wrong", "wrong → right", "McNemar's p")
    shown = table((f"against {names[0]}", *columns), right=columns)
    for name, row in zip(names, rows, strict=True):
        if (paired := row.paired) is not None:
            changed = (f"{n:,}" for n in (paired.right_to_wrong, paired.wrong_to_right))
            shown.add_row(name, share_words(paired.agreement), *changed, f"{paired.p:.2g}")
    return ["", shown]


def _name_rows(rows: Sequence[EvaluateRow]) -> list[str]:
    """The precision, after the bundle where there are several."""
    if len({row.bundle for row in rows}) == 1:
        return [row.precision for row in rows]
    return [f"{row.bundle}, {row.precision}" for row in rows]


def share_words(share: Share) -> str:
    """``98.99% (98.77–99.17)``: a share and its interval."""
    low, high = share.interval
    return f"{share.share:.2%} ({100 * low:.2f}–{100 * high:.2f})"
