"""Time and memory of a step of learning in ExecuTorch, beside a training graph and PyTorch, eager.

Usage: python -m benchmarks.training.executorch_step [--rounds 10] [--batch 32]

LeNet-5 with cross-entropy and SGD with momentum, one thread. ExecuTorch's module is exported with
its backward pass and runs on its portable kernels: its delegates have none. All run once a round,
in turned order every other round. Peak memory is that of a process of its own that loads the module
and makes three steps, less what its imports take; `step` has the others'. It needs executorch, in
the release that belongs to the PyTorch that is installed.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.interleave import interleave, keep
from benchmarks.training.networks import CLASSES, small
from benchmarks.training.runners import GraphStep, TorchStep
from benchmarks.training.step import MOMENTUM, PEAK, PEER, timer
from edgecnn_exporters.gradient.optimisers import OptimiserConfig
from edgecnn_exporters.gradient.training_graph import TrainingRequest, training_graph

NETWORK, OTHER, RATE = "lenet5", "ExecuTorch", 0.01


class WithLoss(nn.Module):
    """A network with its loss: what ExecuTorch differentiates."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.loss = network, nn.CrossEntropyLoss()

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        loss: torch.Tensor = self.loss(self.network(x), labels)
        return loss


def exported(network: nn.Module, inputs: tuple[torch.Tensor, torch.Tensor]) -> bytes:
    """The network's forward and backward pass as a file of ExecuTorch."""
    from executorch.exir import to_edge
    from torch.export.experimental import _export_forward_backward

    program = torch.export.export(WithLoss(copy.deepcopy(network)), inputs, strict=True)
    buffer: bytes = to_edge(_export_forward_backward(program)).to_executorch().buffer
    return buffer


def stepper(content: bytes, inputs: tuple[torch.Tensor, torch.Tensor]) -> Callable[[], float]:
    """A step of the exported network; gives the loss before it."""
    from executorch.extension.training import (
        _load_for_executorch_for_training_from_buffer as load,
    )
    from executorch.extension.training import get_sgd_optimizer

    module: Any = load(content)
    module.forward_backward("forward", inputs)  # makes the parameters known
    optimiser = get_sgd_optimizer(module.named_parameters(), RATE, MOMENTUM, 0, 0, False)

    def step() -> float:
        loss = module.forward_backward("forward", inputs)[0]
        optimiser.step(module.named_gradients())
        return float(loss)

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--batch", type=int, default=32)
    options = parser.parse_args()
    torch.set_num_threads(1)
    network = small(NETWORK)
    random = np.random.default_rng(0)
    x = random.standard_normal((options.batch, *network.shape)).astype(np.float32)
    labels = random.integers(0, CLASSES, options.batch)
    inputs = torch.from_numpy(x), torch.from_numpy(labels)
    content = exported(network.module, inputs)
    request = TrainingRequest(
        "all", "cross_entropy", OptimiserConfig("sgd", momentum=MOMENTUM), 0.0, "batch"
    )
    module = copy.deepcopy(network.module)
    optimiser = torch.optim.SGD(module.parameters(), lr=RATE, momentum=MOMENTUM)
    steps = {
        "edgecnn": GraphStep(training_graph(network.graph(), request), x, labels, 1).step,
        PEER: TorchStep(module, optimiser, x, labels).step,
        OTHER: stepper(content, inputs),
    }
    samples = interleave({name: timer(step) for name, step in steps.items()}, options.rounds)
    wall = {name: [each[0] for each in own] for name, own in samples.items()}
    print(f"{NETWORK}, 1 thread, batch {options.batch} (n = {options.rounds})")
    for name, own in wall.items():
        print(f"  {name:<12}least {1e3 * min(own):.2f} ms, median {1e3 * np.median(own):.2f} ms")
    peak = memory(content, inputs)
    print(f"  {OTHER}: peak {peak['peak'] / 1e6:.0f} MB more than its imports'")
    result = {"network": NETWORK, "threads": 1, "batch": options.batch, "unit": "s", "wall": wall}
    keep("training/executorch_step", {**result, "memory": peak})


def memory(content: bytes, inputs: tuple[torch.Tensor, torch.Tensor]) -> dict[str, int]:
    """Peak resident set of a process of its own, and of its imports, in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        module, feeds = Path(folder) / "module.pte", Path(folder) / "feeds.pt"
        module.write_bytes(content)
        torch.save(inputs, feeds)
        output = subprocess.check_output(
            [sys.executable, "-W", "ignore", "-c", _RUN, module, feeds]
        )
    result: dict[str, int] = json.loads(output.splitlines()[-1])
    return result


_RUN = f"""{PEAK}
import torch
from executorch.extension.training import (
    _load_for_executorch_for_training, get_sgd_optimizer
)
torch.set_num_threads(1)
before = peak()
inputs = torch.load(sys.argv[2])
module = _load_for_executorch_for_training(sys.argv[1])
module.forward_backward("forward", inputs)
optimiser = get_sgd_optimizer(module.named_parameters(), {RATE}, {MOMENTUM}, 0, 0, False)
for _ in range(3):
    module.forward_backward("forward", inputs)
    optimiser.step(module.named_gradients())
print(json.dumps({{"imports": before, "peak": peak() - before}}))
"""


if __name__ == "__main__":
    main()
