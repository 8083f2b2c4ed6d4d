"""Functions timed in turn in one process: wall time, processor time, disturbances of the machine.

`benchmarks.interleave` times what tells its own time; here every candidate is a run to repeat.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecnn_runtime.host.facts import read_state
from edgecnn_runtime.host.processor import cpu_features
from edgecnn_runtime.measure.disturbances import disturbances, drift_reasons
from edgecnn_runtime.measure.job import MeasurementPlan
from edgecnn_runtime.measure.rounds import round_order, runs_per_block
from edgecnn_runtime.measure.timing import timed_block, warm_up

Run = Callable[[], object]

WARM_UP_S = 0.5


@dataclass(frozen=True)
class Turns:
    """Milliseconds of one run of each candidate, a sample a round.

    Attributes:
        wall_ms: median of the runs of a block.
        cpu_ms: processor time of a block, all threads of this process, divided by its runs.
        disturbed: what else the machine did meanwhile; empty for nothing.
    """

    wall_ms: dict[str, list[float]]
    cpu_ms: dict[str, list[float]]
    disturbed: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As a line of results holds it, five digits each, with the processor's features."""
        return {
            "features": list(cpu_features()),
            "disturbed": list(self.disturbed),
            "unit": "ms",
            "wall": {name: _short(samples) for name, samples in self.wall_ms.items()},
            "processor": {name: _short(samples) for name, samples in self.cpu_ms.items()},
        }


def in_turn(candidates: Mapping[str, Run], rounds: int, block_ms: float) -> Turns:
    """A block of every candidate a round, in an order that changes from round to round.

    Args:
        block_ms: about how long a block repeats its run; once at least.
    """
    plan = MeasurementPlan(rounds=rounds, block_ms=block_ms)
    runs = [runs_per_block(plan, warm_up(run, WARM_UP_S)) for run in candidates.values()]
    names, functions = list(candidates), list(candidates.values())
    wall: dict[str, list[float]] = {name: [] for name in names}
    processor: dict[str, list[float]] = {name: [] for name in names}
    gc.collect()
    before = read_state()
    for number in range(rounds):
        for index in round_order(number, len(names)):
            began = time.process_time()
            samples = timed_block(functions[index], runs[index], time.perf_counter_ns)
            processor[names[index]].append(1e3 * (time.process_time() - began) / runs[index])
            wall[names[index]].append(float(np.median(samples)))
    reasons = (*disturbances(before, read_state()), *drift_reasons(list(wall.items())))
    return Turns(wall, processor, reasons)


def _short(samples: Sequence[float]) -> list[float]:
    return [float(f"{sample:.5g}") for sample in samples]
