"""Synthetic agent events with chosen latencies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from edgecnn_runtime.host.facts import CpuTimes, Host, HostState
from edgecnn_runtime.measure.job import Subject

HOST = Host(
    model="Raspberry Pi 5 Model B Rev 1.0",
    cpu="Cortex-A76",
    machine="aarch64",
    cores=4,
    features=("asimddp",),
    memory_bytes=8 << 30,
    system="Linux 6.6",
    libc="glibc 2.36",
    python="3.11.2",
    governors=("ondemand",),
    min_mhz=1500.0,
    max_mhz=2400.0,
)
STATE = HostState(
    load=0.1,
    mhz=2400.0,
    celsius={"cpu-thermal": 48.0},
    throttled=(),
    was_throttled=(),
    throttle_count=None,
    cpu=CpuTimes(100.0, 0.0, 400.0),
    own_seconds=10.0,
)
FLOAT = Subject("run/m.edge", "model.tflite", "tflite", "fp32", 4, "main")
INT8 = Subject("run/m.edge", "model.int8.tflite", "tflite", "int8", 4, "main", against=0)


def proof(row: int, subject: Subject, verdict: str = "equal", note: str = "") -> dict[str, Any]:
    return {
        "event": "row",
        "row": row,
        "name": "m",
        "artefact": subject.artefact,
        "format": "tflite",
        "precision": subject.precision,
        "engine": "tflite 2.3.0 (ai_edge_litert)",
        "verdict": verdict,
        "note": note,
        "difference": {
            "max_abs": 0.1,
            "relative": 0.01,
            "sqnr_db": 33.0,
            "top1_agreement": 1.0,
            "top1_interval": [0.4, 1.0],
            "n": 3,
            "numbers": 30,
        },
    }


def run(
    rounds: int,
    latency_ms: Callable[[int, int], float],
    subjects: Sequence[Subject] = (FLOAT, INT8),
    *,
    first: int = 0,
    every_s: float = 0.5,
    celsius: Callable[[int], float] = lambda number: 50.0,
    after: HostState | None = None,
) -> list[dict[str, Any]]:
    """All events of a run: the latency of each row in each round is `latency_ms(row, round)`."""
    events = [proof(row, subject) for row, subject in enumerate(subjects)]
    events += [
        {"event": "warm-up", "row": row, "runs": 10, "last_ms": 1.0, "is_stable": True}
        for row in range(len(subjects))
    ]
    events.append({"event": "before", "host": asdict(HOST), "state": asdict(STATE)})
    for number in range(first, first + rounds):
        ms = [latency_ms(row, number) for row in range(len(subjects))]
        state = replace(STATE, celsius={"cpu-thermal": celsius(number)})
        events.append(
            {
                "event": "round",
                "number": number,
                "at_s": (number - first + 1) * every_s,
                "blocks": [
                    {"row": row, "samples_ms": [one, one * 1.001, one * 0.999], "energy_j": None}
                    for row, one in enumerate(ms)
                ],
                "state": asdict(state),
            }
        )
    end = after or replace(STATE, cpu=CpuTimes(120.0, 0.0, 480.0), own_seconds=30.0)
    events.append({"event": "after", "host": asdict(HOST), "state": asdict(end)})
    events += [
        {"event": "cold", "row": row, "sample_ms": 200.0, "peak_memory_bytes": 50_000_000}
        for row in range(len(subjects))
    ]
    return events
