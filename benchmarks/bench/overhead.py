"""Overhead of `edgecnn bench` on a latency: its worker beside a bare loop over the engine.

Both are processes of their own that time one block when they are told to, in turn, on the same
model and input with one thread. Then the whole command, in seconds, as a user waits for it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.interleave import interleave, process_seconds, report
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.measure.job import Subject
from edgecnn_runtime.measure.worker_process import Worker

BARE = {
    "onnxruntime": """
import json, sys, time
import numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
feed = {session.get_inputs()[0].name: np.load(sys.argv[2])}
run = lambda: session.run(None, feed)
""",
    "tflite": """
import json, sys, time
import numpy as np
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
image = np.ascontiguousarray(np.load(sys.argv[2]).transpose(0, 2, 3, 1))
place, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
def run():
    interpreter.set_tensor(place["index"], image)
    interpreter.invoke()
    return interpreter.get_tensor(answer["index"])
""",
}
LOOP = """
for line in sys.stdin:
    samples = []
    for _ in range(int(line)):
        began = time.perf_counter_ns()
        run()
        samples.append((time.perf_counter_ns() - began) / 1e6)
    print(json.dumps(samples), flush=True)
"""
RUNS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", nargs="?", default="demo/mobilenet_v2.edge")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--benches", type=int, default=3)
    arguments = parser.parse_args()
    with Bundle(arguments.bundle) as bundle:
        for artefact in bundle.manifest.artefacts:
            engine = {"onnx": "onnxruntime", "tflite": "tflite"}.get(artefact.format)
            if engine is not None and artefact.precision == "fp32":
                measure(arguments.bundle, artefact.path, engine, arguments.rounds)
    command = [str(Path(sys.executable).with_name("edgecnn")), "bench", arguments.bundle]
    seconds = [process_seconds([*command, "-q"]) for _ in range(arguments.benches)]
    print(f"edgecnn bench, whole (n = {len(seconds)}): {statistics.median(seconds):.1f} s")


def measure(path: str, artefact: str, engine: str, rounds: int) -> None:
    """Block medians of our worker and of the bare loop, in turn."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder, Bundle(path) as bundle:
        model, image = Path(folder, "model"), Path(folder, "image.npy")
        model.write_bytes(bundle.read(artefact))
        (array,) = bundle.golden(0).inputs.values()
        np.save(image, array)
        worker = Worker(Subject(path, artefact, engine, threads=1), None)
        bare = subprocess.Popen(
            [sys.executable, "-c", BARE[engine] + LOOP, model, image],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            worker.verify()
            worker.warm_up(2.0)
            bare_block(bare, 5 * RUNS)
            samples = interleave(
                {
                    "edgecnn bench": lambda: statistics.median(worker.block(RUNS)),
                    "bare loop": lambda: statistics.median(bare_block(bare, RUNS)),
                },
                rounds,
            )
        finally:
            worker.close()
            bare.kill()
            bare.wait()
    report("bench/overhead", f"{artefact} on {engine}", samples, unit="ms", peer="bare loop")


def bare_block(process: subprocess.Popen[str], runs: int) -> list[float]:
    """So many runs of the bare loop, in milliseconds."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{runs}\n")
    process.stdin.flush()
    samples: list[float] = json.loads(process.stdout.readline())
    return samples


if __name__ == "__main__":
    main()
