"""The table of an emulated board."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from edgecnn.console import coloured, table
from edgecnn.report.blocks import Block
from edgecnn.report.verify_tables import COLOURS

if TYPE_CHECKING:
    from edgecnn.bench.emulated import Likeness, Proved, ProvedRow
    from edgecnn.devices.emulated.instructions import Instructions
    from edgecnn.text_table import Cell
    from edgecnn_runtime.parity.difference import Difference

MAKES_ROOM = ("memory", "agreement", "instructions", "bundle", "engine")
# What decides how fast a convolution is: the instruction that multiplies in it. Those that only
# widen begin with SMULL and go on with SMLAL.
ARITHMETIC: Mapping[str, Sequence[str]] = {
    "SDOT": ("dot",),
    "SMMLA": ("mmla",),
    "FMLA": ("fmla",),
    "SMLAL": ("mull", "mlal"),
}


def proved_blocks(proofs: Sequence[Proved]) -> list[Block]:
    """A line and a table for each board, and footnotes below them."""
    blocks: list[Block] = []
    titles = ("artefact", "engine", "verdict", "agreement", f"vs {platform.machine()} here")
    for one in proofs:
        bundles = {row.subject.bundle for row in one.rows}
        before = ("bundle",) if len(bundles) > 1 else ()
        columns = (*before, *titles, "instructions", "memory")
        shown = table(columns, right=("memory",), drop=MAKES_ROOM, below=MAKES_ROOM)
        for row in one.rows:
            shown.add_row(*[PurePosixPath(row.subject.bundle).name for _ in before], *_cells(row))
        blocks += [f"{one.device}: {one.words}", shown, *_footnotes(one)]
    return blocks


def _cells(row: ProvedRow) -> tuple[str | Cell, ...]:
    memory = row.peak_memory_bytes
    batch = row.subject.batch
    return (
        row.parity.subject if batch is None else f"{row.parity.subject}, {batch} images",
        _engine(row),
        coloured(row.parity.verdict, COLOURS[row.parity.verdict]),
        _agreement(row.parity.difference),
        words_of(row.likeness),
        "" if row.instructions is None else words_of_instructions(row.instructions),
        "" if memory is None else f"{memory / 1e6:.0f} MB",
    )


def _engine(row: ProvedRow) -> str:
    return "" if row.parity.engine is None else row.parity.engine.words()


def _agreement(difference: Difference | None) -> str:
    if difference is None:
        return ""
    right = round(difference.top1_agreement * difference.n)
    return f"{difference.sqnr_db:.0f} dB, {right}/{difference.n}"


def words_of(likeness: Likeness) -> str:
    """``identical``, ``≤ 1 step``, or the largest difference as a share of the largest output."""
    if likeness.is_identical:
        return "identical"
    if likeness.difference is None:
        return "not compared"
    if likeness.steps is not None:
        steps = math.ceil(round(likeness.steps, 3))
        return f"≤ {steps} step{'s' if steps > 1 else ''}"
    return f"{likeness.difference.relative:.1e}"


def words_of_instructions(instructions: Instructions) -> str:
    """Instruction count with the share of its main arithmetic: ``49.6 M, SDOT 37 %``."""
    counts = instructions.counts
    shares = {
        name: sum(counts[kind] for kind in kinds) / counts["total"]
        for name, kinds in ARITHMETIC.items()
    }
    name = max(shares, key=lambda one: shares[one])
    total = f"{counts['total'] / 1e6:.{1 if counts['total'] >= 1e6 else 2}f} M"
    return f"{total}, {name} {100 * shares[name]:.0f} %" if shares[name] else total


def _footnotes(proved: Proved) -> list[str]:
    lines = []
    for row in proved.rows:
        note = row.parity.note if row.parity.difference is None else row.likeness.note
        if note:
            lines.append(f"{row.parity.subject} on {_engine(row)}: {note}")
    if proved.uncounted:
        lines.append(f"neither instructions nor memory: {proved.uncounted}")
    if any(row.instructions is not None for row in proved.rows):
        what = "inference or step" if any(row.subject.batch for row in proved.rows) else "inference"
        lines.append(
            f"instructions of one {what} on one thread; memory at most until the first result, "
            "without QEMU's own"
        )
    return lines
