"""Times of an engine's operators, read from its own profiler: ONNX Runtime, OpenVINO, native.

An engine profiles what it executes: fused operators are one stage, under a name of its own.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.errors import EngineError, first_line

Feeds = Mapping[str, Array]


@dataclass(frozen=True)
class Stage:
    """One operator as an engine executes it.

    Attributes:
        name: the engine's own for it.
        kind: of operator, such as ``Conv``.
        ms: the median over the runs.
    """

    name: str
    kind: str
    ms: float


@dataclass(frozen=True)
class Opened:
    """An artefact that is open with its engine's profiler on.

    Attributes:
        run: one run on the feeds.
        times: after the runs: for each of the last so many, every stage's name, kind and
            milliseconds.
    """

    run: Callable[[], object]
    times: Callable[[int], Sequence[Sequence[Stage]]]


Profiler = Callable[[bytes, bytes | None, Feeds, int], Any]


@contextmanager
def onnxruntime_stages(
    model: bytes, weights: bytes | None, feeds: Feeds, threads: int
) -> Iterator[Opened]:
    """ONNX Runtime's trace of kernels (onnxruntime.ai, "Profiling tools").

    Raises:
        EngineError: it refuses the model.
    """
    from edgecnn_runtime.engines.onnxruntime import open_session, session_options

    with tempfile.TemporaryDirectory() as folder:
        options = session_options(threads)
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "trace")
        try:
            session = open_session(model, options)
        except Exception as error:
            raise EngineError(f"onnxruntime refuses the model: {first_line(error)}") from error

        def times(runs: int) -> list[list[Stage]]:
            events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
            return _traced(events)[-runs:]

        yield Opened(lambda: session.run(None, dict(feeds)), times)


def _traced(events: Sequence[Mapping[str, Any]]) -> list[list[Stage]]:
    """Stages of each run in a trace: the kernels within each ``model_run``."""
    runs = [(event["ts"], event["dur"]) for event in events if event["name"] == "model_run"]
    kernels = [
        event
        for event in events
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time")
    ]
    return [
        [
            Stage(
                event["name"].removesuffix("_kernel_time"),
                event["args"]["op_name"],
                event["dur"] / 1000,
            )
            for event in kernels
            if begin <= event["ts"] <= begin + length
        ]
        for begin, length in runs
    ]


@contextmanager
def openvino_stages(
    model: bytes, weights: bytes | None, feeds: Feeds, threads: int
) -> Iterator[Opened]:
    """OpenVINO's performance counters (``PERF_COUNT``, ``get_profiling_info``).

    Raises:
        EngineError: it refuses the model.
    """
    from edgecnn_runtime.engines.openvino import OpenVINOEngine

    engine = OpenVINOEngine.open(model, weights=weights, threads=threads, is_profiled=True)
    counted: list[list[Stage]] = []

    def run() -> None:
        engine.run(feeds)
        counted.append([Stage(*one) for one in engine.operator_times()])

    try:
        yield Opened(run, lambda runs: counted[-runs:])
    finally:
        engine.close()


@contextmanager
def native_stages(
    model: bytes, weights: bytes | None, feeds: Feeds, threads: int
) -> Iterator[Opened]:
    """native's own times of its layers, always in one thread.

    Raises:
        EngineError: it refuses the model.
    """
    import edgecnn_native

    try:
        opened = edgecnn_native.Model(model)
    except edgecnn_native.NativeError as error:
        raise EngineError(f"native refuses the model: {error}") from error
    timed: list[list[Stage]] = []
    arrays = [feeds[tensor.name] for tensor in opened.inputs]

    def run() -> None:
        _, layers = opened.profile(arrays)
        timed.append([Stage(one.name, one.kind, one.seconds * 1e3) for one in layers])

    with opened:
        yield Opened(run, lambda runs: timed[-runs:])


PROFILERS: Mapping[str, Profiler] = {
    "onnxruntime": onnxruntime_stages,
    "openvino": openvino_stages,
    "native": native_stages,
}
"""Of the engines that tell; LiteRT's Python package has no times of operators."""


def timed_stages(opened: Opened, warmups: int, runs: int) -> tuple[tuple[Stage, ...], float]:
    """Median of every stage over the runs, in order of execution, and of a whole run in ms."""
    whole_ms = []
    for _ in range(warmups + runs):
        begin = time.perf_counter_ns()
        opened.run()
        whole_ms.append((time.perf_counter_ns() - begin) / 1e6)
    return median_stages(opened.times(runs)), round(median(whole_ms[-runs:]), 6)


def median_stages(runs: Sequence[Sequence[Stage]]) -> tuple[Stage, ...]:
    """Median of every stage over several runs, in order of execution."""
    series: dict[tuple[str, str, int], list[float]] = {}
    for one in runs:
        seen: dict[tuple[str, str], int] = {}
        for stage in one:
            # Names need not be unique.
            place = seen[stage.name, stage.kind] = seen.get((stage.name, stage.kind), 0) + 1
            series.setdefault((stage.name, stage.kind, place), []).append(stage.ms)
    # Rounded to nanoseconds, the resolution of the clock.
    stages = (Stage(name, kind, round(median(ms), 6)) for (name, kind, _), ms in series.items())
    return tuple(stages)
