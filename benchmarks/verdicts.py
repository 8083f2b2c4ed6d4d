"""How often a comparison of two artefacts is wrong: on simulated pairs and on real ones.

Simulated pairs cut a stream of real block medians, measured first in this run, into rounds: the
same artefact twice (A/A), and with one side made 3 % slower. Real pairs compare a bundle with
itself.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np
from interleave import keep

from edgecnn_runtime.benchmark import Subject, benchmark
from edgecnn_runtime.measure import Plan
from edgecnn_runtime.statistics import compare

ROUNDS = Plan().rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", default="demo/mobilenet_v2.edge")
    parser.add_argument("--simulated", type=int, default=200)
    parser.add_argument("--real", type=int, default=20)
    arguments = parser.parse_args()
    subject = Subject(arguments.bundle, threads=1)

    stream = np.array(
        benchmark(subject, plan=Plan(rounds=10 * ROUNDS), cold_starts=0)
        .measurement.latencies[0]
        .blocks_ms
    )
    spread = float(np.std(stream) / np.median(stream))
    print(f"noise: {len(stream)} block medians, {spread:.2%} standard deviation")
    for what, factor in (("A/A, simulated", 1.0), ("3 % slower, simulated", 1.03)):
        found = Counter(simulate(stream, factor, seed) for seed in range(arguments.simulated))
        show(what, found)
    real = Counter(
        result.comparison.verdict
        for _ in range(arguments.real)
        if (result := benchmark(subject, subject, cold_starts=0).measurement).comparison
    )
    show("A/A, real", real)
    keep("verdicts", {"what": "noise", "unit": "ms", "samples": stream.tolist()})


def simulate(stream: np.ndarray, factor: float, seed: int) -> str:
    """One comparison whose rounds are neighbours of the real stream, from a random place."""
    start = np.random.default_rng(seed).integers(0, len(stream) - 2 * ROUNDS)
    pairs = stream[start : start + 2 * ROUNDS].reshape(ROUNDS, 2).copy()
    pairs[1::2] = pairs[1::2, ::-1]
    return compare(pairs[:, 0] * factor, pairs[:, 1], seed=seed).verdict


def show(what: str, found: Counter[str]) -> None:
    total = sum(found.values())
    print(f"{what} (n = {total}): " + ", ".join(f"{n} {v}" for v, n in found.most_common()))
    keep("verdicts", {"what": what, "verdicts": dict(found)})


if __name__ == "__main__":
    main()
