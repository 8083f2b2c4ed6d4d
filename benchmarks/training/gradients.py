"""Gradients of every zoo network's training graph beside PyTorch's autograd, and 20 steps.

Usage: python -m benchmarks.training.gradients [--batch 4] [--width 0.25] [--steps 20]
           [--orders 4] [--exporter torchscript] [NETWORK …]

Each network is captured with its normalisations unfolded (by TorchScript: the same graph in a tenth
of the time), differentiated whole and run by ONNX Runtime with the statistics of the batch, dropout
and stochastic depth off. Printed: by how much our errors against PyTorch in float64 exceed those of
PyTorch in float32: of the loss, of the worst parameter's gradient, in which share of the parameters
by no more than three times, and of all parameters together after the steps, which are made on one
batch in several orders of its images.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from typing import Any

import torch

from benchmarks.interleave import keep
from benchmarks.training.agreement import ORDERS, STEPS, agreement, loss_ratio
from benchmarks.training.networks import DEPTHS, small
from edgecnn.zoo import ARCHITECTURES
from edgecnn_exporters.capture.pytorch_exporters import EXPORTERS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--orders", type=int, default=ORDERS)
    parser.add_argument("--exporter", choices=EXPORTERS, default="torchscript")
    options = parser.parse_args()
    torch.set_num_threads(1)
    columns = f"{'parameters':>11}{'loss':>7}{'gradient':>10}{'in 3':>7}{'sgd':>7}{'adam':>7}"
    print(f"{'network':<20}{columns}  worst")
    for name in options.names or ARCHITECTURES:
        measure(name, options)


def measure(name: str, options: argparse.Namespace) -> None:
    """Compare one network, print its ratios and keep all errors."""
    began = time.perf_counter()
    network = small(name, options.width)
    graph = network.graph(options.exporter)
    result = agreement(network, graph, options.batch, options.steps, options.orders)
    seconds = time.perf_counter() - began
    worst, ratio = result.worst_gradient()
    steps = "".join(f"{each.ratio(0):>7.2f}" for each in result.steps.values())
    print(
        f"{name:<20}{len(result.gradients):>11}{loss_ratio(result):>7.2f}{ratio:>10.2f}"
        f"{result.share_within(3):>7.1%}{steps}"
        f"  {worst} ({seconds:.0f} s)",
        flush=True,
    )
    form = {"width": options.width, "depth": DEPTHS.get(name), "exporter": options.exporter}
    configuration = {"network": name, "batch": options.batch, **form}
    kept = _short(asdict(result))
    keep("training/gradients", {"what": "gradients", **configuration, **kept})


def _short(value: Any) -> Any:
    """Errors with four digits."""
    if isinstance(value, dict):
        return {name: _short(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [_short(each) for each in value]
    return float(f"{value:.4g}")


if __name__ == "__main__":
    main()
