"""The table of estimates, apart from what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecnn.console import table
from edgecnn.report.blocks import Block

if TYPE_CHECKING:
    from edgecnn.bench.estimated import Estimate

TITLES = ("target", "estimated ms", "cycles", "clock", "NPU used", "memory")
CLOCK = "clock_mhz"


def estimated_blocks(estimates: Sequence[Estimate]) -> list[Block]:
    """One row an estimate, and below it the system that it holds for and what it leaves out."""
    if not estimates:
        return []
    shown = table(TITLES, right=TITLES[1:5], drop=("clock", "cycles"))
    for each in estimates:
        shown.add_row(
            each.device,
            f"{each.latency_ms:.{2 if each.latency_ms < 100 else 0}f}",
            f"{each.cycles:,}",
            _clock(each),
            f"{each.utilisation:.0%}",
            _memory(each),
        )
    lines = []
    for each in estimates:
        lines.append(
            f"{each.device}: estimated by {each.compiler}, not measured, for {_system(each)}"
        )
        if each.left_out:
            count, names = len(each.left_out), ", ".join(each.left_out)
            lines.append(
                f"{each.device}: without {count} operator{'s' * (count > 1)} on the CPU: {names}"
            )
    return ["", shown, *lines]


def _clock(estimate: Estimate) -> str:
    clock = estimate.configuration.get(CLOCK)
    return f"{clock:g} MHz" if isinstance(clock, int | float) else ""


def _memory(estimate: Estimate) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {size / 1e3:,.0f} kB"
        for name, size in estimate.memory_bytes.items()
    )


def _system(estimate: Estimate) -> str:
    names = [str(value) for key, value in estimate.configuration.items() if key != CLOCK]
    return ", ".join([*names, *([_clock(estimate)] if _clock(estimate) else [])])
