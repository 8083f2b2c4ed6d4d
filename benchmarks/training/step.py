"""Time and memory of one step of learning: a training graph in ONNX Runtime beside PyTorch, eager.

Usage: python -m benchmarks.training.step [--rounds 20] [--batch 32] [--threads 1 2]
       [NETWORK[:WIDTH] …]

A step is forward and backward pass of all layers with the statistics of the batch, cross-entropy
and SGD with momentum. Both run once a round, in turned order every other round; printed are the
ratio of the least wall times, of the medians, and of the least CPU times. Peak memory is that of a
process of its own that loads the network and makes three steps, less what its imports take.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
import torch

from benchmarks.interleave import interleave, keep
from benchmarks.training.networks import CLASSES, Small, small
from benchmarks.training.runners import GraphStep, TorchStep
from edgecnn_exporters.gradient.optimisers import OptimiserConfig
from edgecnn_exporters.gradient.training_graph import (
    TrainingGraph,
    TrainingRequest,
    training_graph,
)
from edgecnn_runtime.arrays import Array, Float32

NETWORKS = ("lenet5", "resnet20", "mobilenet_v2:0.25")
WARM_UP, PEER = 3, "PyTorch"
MOMENTUM = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    for name in options.names or NETWORKS:
        base, _, width = name.partition(":")
        network = small(base, float(width) if width else None)
        request = TrainingRequest(
            "all", "cross_entropy", OptimiserConfig("sgd", momentum=MOMENTUM), 0.0, "batch"
        )
        made = training_graph(network.graph(), request)
        for threads in options.threads:
            measure(name, network, made, options.batch, threads, options.rounds)
        memory(name, network, made, options.batch)


def measure(
    name: str, network: Small, made: TrainingGraph, batch: int, threads: int, rounds: int
) -> None:
    """Time both, print the ratios and keep the samples."""
    torch.set_num_threads(threads)
    x, labels = _feeds(network, batch)
    module = copy.deepcopy(network.module)
    optimiser = torch.optim.SGD(module.parameters(), lr=0.01, momentum=MOMENTUM)
    theirs = TorchStep(module, optimiser, x, labels)
    ours = GraphStep(made, x, labels, threads)
    samples = interleave({"edgecnn": timer(ours.step), PEER: timer(theirs.step)}, rounds)
    wall, cpu = ({key: [each[i] for each in own] for key, own in samples.items()} for i in (0, 1))
    figures = (
        (what, float(of(own["edgecnn"])), float(of(own[PEER])))
        for what, own, of in (
            ("least", wall, min),
            ("median", wall, np.median),
            ("least CPU", cpu, min),
        )
    )
    words = ", ".join(
        f"{what} {1e3 * own:.2f} ms = {own / other:.2f} × {PEER}" for what, own, other in figures
    )
    print(f"{name}, {threads} threads, batch {batch} (n = {rounds}): {words}", flush=True)
    result = {"what": "step", "network": name, "threads": threads, "batch": batch, "unit": "s"}
    keep("training/step", {**result, "wall": wall, "cpu": cpu})


def timer(step: Callable[[], object]) -> Callable[[], tuple[float, float]]:
    """(wall, CPU) seconds of a step, after one that is not timed: the other's threads are done."""
    for _ in range(WARM_UP):
        step()

    def sample() -> tuple[float, float]:
        step()
        wall, cpu = time.perf_counter(), time.process_time()
        step()
        return time.perf_counter() - wall, time.process_time() - cpu

    return sample


def _feeds(network: Small, batch: int) -> tuple[Float32, Array]:
    random = np.random.default_rng(0)
    x = random.standard_normal((batch, *network.shape)).astype(np.float32)
    return x, random.integers(0, CLASSES, batch)


def memory(name: str, network: Small, made: TrainingGraph, batch: int) -> None:
    """Print the peak memory of both, each in a process of its own."""
    x, labels = _feeds(network, batch)
    with tempfile.TemporaryDirectory() as folder:
        graph, values, module = (Path(folder) / each for each in ("g.onnx", "v.npz", "m.pt"))
        ir.save(made.model, graph)
        zeros = {
            str(value.name): np.zeros(value.shape.numpy(), np.float32)  # type: ignore[union-attr] # made with one
            for value in made.state
        }
        fed = {str(made.model.graph.inputs[0].name): x, "learn.labels": labels}
        rate = {"learn.rate": np.array(0.01, np.float32)}
        np.savez(values, **made.parameters, **made.statistics, **zeros, **fed, **rate)  # type: ignore[arg-type] # all arrays
        torch.save((network.module, torch.from_numpy(x), torch.from_numpy(labels)), module)
        ours, theirs = (
            json.loads(
                subprocess.check_output([sys.executable, "-W", "ignore", "-c", code, *paths])
            )
            for code, paths in ((_GRAPH, [graph, values]), (_TORCH, [module]))
        )
    print(
        f"{name}, batch {batch}: peak {ours['peak'] / 1e6:.0f} MB more than its imports' "
        f"{ours['imports'] / 1e6:.0f}, {PEER} {theirs['peak'] / 1e6:.0f} more than "
        f"{theirs['imports'] / 1e6:.0f}",
        flush=True,
    )
    result = {"what": "memory", "network": name, "batch": batch, "unit": "bytes"}
    keep("training/step", {**result, "edgecnn": ours, PEER: theirs})


# Not ru_maxrss, which a process inherits from the one that starts it.
PEAK = """
import json, re, sys
def peak():
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
"""
_GRAPH = f"""{PEAK}
import numpy, onnxruntime
before = peak()
values = dict(numpy.load(sys.argv[2]))
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
following = [each.name for each in session.get_outputs() if each.name.endswith(".next")]
for _ in range(3):
    after = session.run(following, values)
    values.update((name.removesuffix(".next"), array) for name, array in zip(following, after))
print(json.dumps({{"imports": before, "peak": peak() - before}}))
"""
_TORCH = f"""{PEAK}
import torch
torch.set_num_threads(1)
before = peak()
module, x, labels = torch.load(sys.argv[1], weights_only=False)
module.train()
optimiser = torch.optim.SGD(module.parameters(), lr=0.01, momentum={MOMENTUM})
for _ in range(3):
    optimiser.zero_grad()
    torch.nn.functional.cross_entropy(module(x), labels).backward()
    optimiser.step()
print(json.dumps({{"imports": before, "peak": peak() - before}}))
"""


if __name__ == "__main__":
    main()
