"""Threads that share a session: wrong answers, and what the safety costs a single thread.

Every thread runs its own input, and every answer is compared with what that input gave alone.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import edgecnn_runtime
from benchmarks.interleave import interleave, keep
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.errors import EdgeCNNError
from edgecnn_runtime.session import Session

KEPT = Path(__file__).parents[2] / "tests/data/bundles/lenet5.edge"
ENGINES = ("onnxruntime", "openvino", "tflite")
PRECISIONS = ("fp32", "int8")
RUNS_PER_SAMPLE = 50


@dataclass
class Outcome:
    """Answers of all threads together."""

    answers: int = 0
    wrong: int = 0
    errors: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", default=str(KEPT))
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--answers", type=int, default=1000, help="of each thread")
    parser.add_argument("--rounds", type=int, default=100)
    arguments = parser.parse_args()
    print(f"{arguments.threads} threads on one session, {arguments.answers} answers each")
    costs = []
    for engine in ENGINES:
        for precision in PRECISIONS:
            with edgecnn_runtime.open(
                arguments.bundle, engine=engine, precision=precision, threads=1
            ) as session:
                name = f"{engine} {precision}"
                feeds = _feeds(session, arguments.threads)
                _count(name, session, feeds, arguments.answers)
                costs.append((name, _cost(session, feeds[0], arguments.rounds)))
    print(f"one thread: the session's run beside its engine's (n = {arguments.rounds}, in turn)")
    for name, samples in costs:
        _report_cost(name, samples)


def _feeds(session: Session, count: int) -> list[dict[str, Array]]:
    random = np.random.default_rng(0)
    (spec,) = session.manifest.inputs
    shape = [1 if extent is None else extent for extent in spec.shape]
    return [{spec.name: random.normal(0, 1, shape).astype(np.float32)} for _ in range(count)]


def _count(name: str, session: Session, feeds: list[dict[str, Array]], answers: int) -> None:
    """Run all feeds at once, a thread each, and print how many answers are wrong."""
    expected = [session.run(feed) for feed in feeds]
    outcomes = [Outcome() for _ in feeds]

    def work(number: int) -> None:
        own = outcomes[number]
        for _ in range(answers):
            try:
                found = session.run(feeds[number])
            except EdgeCNNError as error:
                own.errors.append(str(error))
                continue
            own.answers += 1
            own.wrong += not _is_equal(found, expected[number])

    began = time.perf_counter()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(feeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    total = sum(one.answers for one in outcomes)
    wrong = sum(one.wrong for one in outcomes)
    errors = [error for one in outcomes for error in one.errors]
    rate = total / seconds
    print(
        f"  {name:<20}{total:>6} answers, {wrong} wrong, {len(errors)} errors, {rate:,.0f} a second"
    )
    for error in sorted(set(errors)):
        print(f"    {error}")
    result = {"what": "shared session", "engine": name, "threads": len(feeds), "answers": total}
    keep("runtime/threads", result | {"wrong": wrong, "errors": len(errors), "seconds": seconds})


def _is_equal(found: Mapping[str, Array], expected: Mapping[str, Array]) -> bool:
    return all(np.array_equal(found[name], expected[name]) for name in expected)


def _cost(session: Session, feed: dict[str, Array], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of a run, through the session and of its engine without the session's lock."""
    return interleave(
        {
            "session": lambda: _milliseconds(lambda: session.run(feed)),
            "engine": lambda: _milliseconds(lambda: session.engine.run(feed)),
        },
        rounds,
    )


def _milliseconds(run: Callable[[], object]) -> float:
    began = time.perf_counter_ns()
    for _ in range(RUNS_PER_SAMPLE):
        run()
    return (time.perf_counter_ns() - began) / RUNS_PER_SAMPLE / 1e6


def _report_cost(name: str, samples: Mapping[str, list[float]]) -> None:
    ratios = [a / b for a, b in zip(samples["session"], samples["engine"], strict=True)]
    added = [a - b for a, b in zip(samples["session"], samples["engine"], strict=True)]
    medians = {one: statistics.median(values) for one, values in samples.items()}
    print(
        f"  {name:<20}{medians['session']:.4f} ms, engine alone {medians['engine']:.4f} ms, "
        f"{statistics.median(ratios):.4f} ×, {1e3 * statistics.median(added):+.2f} µs"
    )
    keep("runtime/threads", {"what": "one thread", "engine": name, "samples": dict(samples)})


if __name__ == "__main__":
    main()
