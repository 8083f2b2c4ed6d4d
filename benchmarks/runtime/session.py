"""edgecnn_runtime beside ONNX Runtime called by hand on the same file.

Latency of `run` in one process, cold start and import as whole processes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import edgecnn_runtime
from benchmarks.interleave import interleave, process_seconds, report
from edgecnn_runtime.bundle import Bundle

# Each prints the nanoseconds of the monotonic clock, shared by all processes, at its first result.
OURS_COLD = """
import sys, time
import numpy as np
import edgecnn_runtime as edge
feed = {"input": np.zeros((1, 3, 224, 224), np.float32)}
edge.open(sys.argv[1], engine="onnxruntime", precision="fp32").run(feed)
print(time.clock_gettime_ns(time.CLOCK_MONOTONIC))
"""
HAND_COLD = """
import sys, time
import numpy as np
import onnxruntime
feed = {"input": np.zeros((1, 3, 224, 224), np.float32)}
onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"]).run(None, feed)
print(time.clock_gettime_ns(time.CLOCK_MONOTONIC))
"""
PEER = "ONNX Runtime by hand"
RUNS_PER_SAMPLE = 10
# With compiled modules in place, as pip leaves them, whatever the shell says.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", default="demo/mobilenet_v2.edge")
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model.onnx"
        with Bundle(arguments.bundle) as bundle:
            model.write_bytes(bundle.read("model.onnx"))
        latency(arguments.bundle, model, arguments.rounds)
        cold_start(arguments.bundle, model, max(5, arguments.rounds // 2))
    imports(max(5, arguments.rounds // 2))


def latency(bundle: str, model: Path, rounds: int) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    by_hand = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    feed = {"input": np.random.default_rng(0).random((1, 3, 224, 224), np.float32)}
    ours = {"engine": "onnxruntime", "precision": "fp32"}
    with edgecnn_runtime.open(bundle, threads=1, **ours) as session:
        candidates = {
            "edgecnn_runtime": lambda: session.run(feed),
            "ONNX Runtime by hand": lambda: by_hand.run(None, feed),
        }
        samples = interleave(
            {name: lambda run=run: _milliseconds(run) for name, run in candidates.items()}, rounds
        )
    report("runtime/session", "one run, one thread", samples, unit="ms", peer=PEER)


def cold_start(bundle: str, model: Path, rounds: int) -> None:
    samples = interleave(
        {
            "edgecnn_runtime": lambda: _first_result(OURS_COLD, bundle),
            "ONNX Runtime by hand": lambda: _first_result(HAND_COLD, str(model)),
        },
        rounds,
    )
    report(
        "runtime/session",
        "process start to first result",
        samples,
        unit="ms",
        peer=PEER,
    )


def imports(rounds: int) -> None:
    def seconds(statement: str) -> float:
        return 1000 * process_seconds([sys.executable, "-c", statement])

    samples = interleave(
        {
            "numpy, edgecnn_runtime": lambda: seconds("import numpy, edgecnn_runtime"),
            "numpy": lambda: seconds("import numpy"),
        },
        rounds,
    )
    report("runtime/session", "import in a fresh process", samples, unit="ms", peer="numpy")


def _milliseconds(run: Callable[[], object]) -> float:
    began = time.perf_counter_ns()
    for _ in range(RUNS_PER_SAMPLE):
        run()
    return (time.perf_counter_ns() - began) / RUNS_PER_SAMPLE / 1e6


def _first_result(script: str, argument: str) -> float:
    began = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    ran = subprocess.run(
        [sys.executable, "-c", script, argument], check=True, capture_output=True, text=True
    )
    return (json.loads(ran.stdout) - began) / 1e6


if __name__ == "__main__":
    main()
