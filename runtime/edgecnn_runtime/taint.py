"""What makes a measurement worth nothing, said in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecnn_runtime.host import HostState

# Shares of all the cores' time; a busy neighbour moves a median by about as much.
MAX_OTHERS = 0.10
MAX_STEAL = 0.05
MAX_CLOCK_DROP = 0.05
# Beyond this the first and the last third of a run were not the same machine.
MAX_DRIFT = 0.10
MIN_SAMPLES_FOR_DRIFT = 12


def disturbances(before: HostState, after: HostState) -> tuple[str, ...]:
    """What happened to the machine between two moments, with figures; empty for nothing."""
    found = [*_foreign_load(before, after)]
    if limits := sorted({*before.throttled, *after.throttled}):
        found.append(f"the processor is limited: {', '.join(limits)}")
    if after.throttle_count is not None and before.throttle_count is not None:
        times = after.throttle_count - before.throttle_count
        if times > 0:
            found.append(f"the processor throttled {times} times")
    if before.mhz and after.mhz and after.mhz < before.mhz * (1 - MAX_CLOCK_DROP):
        found.append(f"the clock fell from {before.mhz:.0f} to {after.mhz:.0f} MHz")
    return tuple(found)


def drift(samples_ms: Sequence[float]) -> str | None:
    """How far the last third of a run lies from the first, where that is too far."""
    third = len(samples_ms) // 3
    if len(samples_ms) < MIN_SAMPLES_FOR_DRIFT:
        return None
    first, last = np.median(samples_ms[:third]), np.median(samples_ms[-third:])
    change = float(last / first - 1)
    if abs(change) <= MAX_DRIFT:
        return None
    return f"the latency drifted by {change:+.0%} from the first to the last third"


def _foreign_load(before: HostState, after: HostState) -> list[str]:
    """Others' share of all cores: what the kernel counts as busy, less what is our own."""
    if before.cpu is None or after.cpu is None:
        return []
    total = after.cpu.total - before.cpu.total
    if total < 0.5:  # below half a second the kernel's ticks are too coarse to tell
        return []
    own = after.own_seconds - before.own_seconds
    others = (after.cpu.busy - before.cpu.busy - own) / total
    steal = (after.cpu.steal - before.cpu.steal) / total
    found = []
    if others > MAX_OTHERS:
        found.append(f"other processes took {others:.0%} of the processor")
    if steal > MAX_STEAL:
        found.append(f"the hypervisor took {steal:.0%} of the processor")
    return found
