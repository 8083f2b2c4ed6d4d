"""Error rate of the comparison of two artefacts: on simulated pairs and on real ones.

Simulated pairs cut a stream of real block medians, measured first in this run, into rounds: the
same artefact twice (A/A), and with one side made 3 % slower; they overlap, so that their number
promises more than it holds. Then both again with the same noise made smaller, to say how quiet a
machine has to be. Real pairs compare a workload with itself: a product of matrices of
about 2 ms in one process, or an artefact of a bundle in two, as `edgecnn bench` measures it.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

# Read when numpy is imported: threads that wait for one another would measure the neighbours.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from benchmarks.interleave import keep
from edgecnn_runtime.arrays import Float64
from edgecnn_runtime.measure.benchmark import benchmark
from edgecnn_runtime.measure.job import MeasurementJob, MeasurementPlan, Subject
from edgecnn_runtime.measure.results import assemble
from edgecnn_runtime.measure.statistics import compare
from edgecnn_runtime.measure.timing import Measurement, measure

ROUNDS = MeasurementPlan().rounds
QUIETER = (0.10, 0.06, 0.04, 0.02)  # standard deviations of block medians
SIDE = 448  # of the matrices: 2 × 448³ operations, about 2 ms on one core of a server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", help="measured in place of the product of matrices")
    parser.add_argument("--simulated", type=int, default=200)
    parser.add_argument("--real", type=int, default=10)
    arguments = parser.parse_args()
    with workload(arguments.bundle) as run:
        stream = record(run)
    deviation = spread_of(stream)
    seeds = range(arguments.simulated)
    for level in (deviation, *(level for level in QUIETER if level < deviation)):
        noise = quietened(stream, level / deviation)
        for what, factor in (("A/A", 1.0), ("3 % slower", 1.03)):
            label = f"{what}, simulated, noise {level:.1%}"
            show(label, (simulate(noise, factor, seed) for seed in seeds))
    if arguments.bundle is None:
        with workload(None) as run:
            show("A/A, real", (same_twice(run) for _ in range(arguments.real)))
    else:
        pairs = (same_row_twice(arguments.bundle) for _ in range(arguments.real))
        show("A/A, real, two workers", pairs)


@contextmanager
def workload(bundle: str | None) -> Iterator[Callable[[], object]]:
    """Workload on one thread: a product of matrices, or a bundle."""
    if bundle is None:
        matrix = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
        yield lambda: matrix @ matrix
        return
    import edgecnn_runtime
    from edgecnn_runtime.session import zero_feeds

    with edgecnn_runtime.open(bundle, threads=1) as session:
        feeds = zero_feeds(session.manifest)
        yield lambda: session.run(feeds)


def record(run: Callable[[], object]) -> Float64:
    """Block medians in milliseconds, ten times as many as a measurement has."""
    latency = measure({"noise": run}, MeasurementPlan(rounds=10 * ROUNDS, max_s=120)).latencies[0]
    stream = np.array(latency.blocks_ms)
    neighbours = float(np.corrcoef(stream[:-1], stream[1:])[0, 1])
    print(
        f"noise: {len(stream)} block medians of {latency.median_ms:.2f} ms, "
        f"{spread_of(stream):.2%} standard deviation, {neighbours:.2f} correlated with the next"
    )
    keep("bench/verdicts", {"what": "noise", "unit": "ms", "samples": stream.tolist()})
    return stream


def spread_of(stream: Float64) -> float:
    """The standard deviation as a share of the median."""
    return float(np.std(stream) / np.median(stream))


def quietened(stream: Float64, factor: float) -> Float64:
    """The stream whose every distance from its median, as a ratio, is so many times what it was."""
    median = np.median(stream)
    result: Float64 = median * (stream / median) ** factor
    return result


def simulate(stream: Float64, factor: float, seed: int) -> dict[str, Any]:
    """One comparison whose rounds are neighbours of the real stream, from a random place."""
    start = np.random.default_rng(seed).integers(0, len(stream) - 2 * ROUNDS)
    pairs = stream[start : start + 2 * ROUNDS].reshape(ROUNDS, 2).copy()
    pairs[1::2] = pairs[1::2, ::-1]
    comparison = compare(pairs[:, 0] * factor, pairs[:, 1], seed=seed)
    return {"verdict": comparison.verdict, "ratio": comparison.ratio, "start": int(start)}


def same_twice(run: Callable[[], object]) -> dict[str, Any]:
    """A real comparison of a workload with itself, with the verdict that its taint withheld."""
    measurement: Measurement = measure({"candidate": run, "baseline": run})
    blocks = [latency.blocks_ms for latency in measurement.latencies]
    return judged(blocks, measurement.tainted)


def same_row_twice(bundle: str) -> dict[str, Any]:
    """A real comparison of an artefact with itself, each in a process of its own."""
    subjects = (Subject(bundle, threads=1, against=1), Subject(bundle, threads=1))
    events: list[dict[str, Any]] = []
    benchmark(MeasurementJob(subjects, MeasurementPlan()), events.append)
    result = assemble(subjects, events)
    blocks = [row.latency.blocks_ms for row in result.rows if row.latency]
    return judged(blocks, result.tainted)


def judged(blocks: Sequence[Sequence[float]], tainted: Sequence[str]) -> dict[str, Any]:
    """The verdict of two series of block medians, and the one that their taint withheld."""
    comparison = compare(*blocks)
    return {
        "verdict": "tainted" if tainted else comparison.verdict,
        "taint ignored": comparison.verdict,
        "ratio": comparison.ratio,
        "tainted": tainted,
        "blocks_ms": blocks,
    }


def show(what: str, results: Iterable[dict[str, Any]]) -> None:
    """Print how often each verdict was given, and keep every result."""
    kept = list(results)
    for key in ("verdict", "taint ignored"):
        verdicts = Counter(result[key] for result in kept if key in result)
        if verdicts:
            counts = ", ".join(f"{n} {verdict}" for verdict, n in verdicts.most_common())
            print(
                f"{what}{'' if key == 'verdict' else ', taint ignored'} (n = {len(kept)}): {counts}"
            )
    keep("bench/verdicts", {"what": what, "unit": "ms", "results": kept})


if __name__ == "__main__":
    main()
