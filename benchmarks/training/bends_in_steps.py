"""Steps of Adam where roundings move activations over a bend: a training graph's beside PyTorch's.

Usage: python -m benchmarks.training.bends_in_steps [--orders 24] NETWORK …

Twenty steps on four images, in each of their orders: in exact numbers the same, in float32 sums in
another order. Printed, of the training graph and of PyTorch with and without oneDNN: in how many
runs an activation is on another side of a bend than in float64, and since which step; the distance
of all parameters from float64 before that step, and after the last. Before: which share of the
squared distance after one step belongs to parameters with a gradient below 1e-6. Adam divides by
the gradient's size plus 1e-8, so that a rounding of a gradient that small changes its whole step.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, permutations

import numpy as np
import torch

from benchmarks.interleave import keep
from benchmarks.training.agreement import STEPS, batches_of, flat, torch_step
from benchmarks.training.bends import BATCH, ONEDNN, OURS, PLAIN, WIDTH
from benchmarks.training.networks import Small, small
from benchmarks.training.runners import GraphStep, onednn
from benchmarks.training.sides import Watched, Watching, read_by, sides_of
from edgecnn_runtime.arrays import Array, Float32

TINY = 1e-6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--orders", type=int, default=24)
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.names:
        print(name)
        network = Watching(small(name, WIDTH))
        first_step(network)
        if options.orders:
            compare(network, options.orders)


def first_step(network: Watching) -> None:
    """Print and keep which share of the distance after one step is of tiny gradients."""
    x, labels = batches_of(network.network, BATCH)[0]
    ours = network.step("adam", x, labels)
    names = sorted(ours.graph.parameters)
    exact, single = (
        torch_step(network.network, "adam", dtype, x, labels)
        for dtype in (torch.float64, torch.float32)
    )
    is_tiny = np.abs(flat(exact.gradients()[1], names)) < TINY
    after = flat(exact.after(1), names)
    shares = {}
    for who, run in ((OURS, ours), (ONEDNN, single)):
        squares = (flat(run.after(1), names) - after) ** 2
        shares[who] = round(float(squares[is_tiny].sum() / squares.sum()), 4)
        print(
            f"  {who:<16} one step: {shares[who]:.1%} of the squared distance is of "
            f"{is_tiny.sum():,} of {is_tiny.size:,} parameters with gradients below {TINY:g}"
        )
    row = {"what": "first step of Adam", "network": network.network.name, "shares": shares}
    keep("training/bends", row | {"tiny": int(is_tiny.sum()), "of": is_tiny.size})


@dataclass(frozen=True)
class Steps:
    """A run of Adam.

    Attributes:
        moved: the first step in which an activation is on another side than in float64, from 1.
        before: distance of all parameters from float64 before that step, a norm.
        after: the same after the last step.
    """

    moved: int | None
    before: float
    after: float


def compare(network: Watching, orders: int) -> None:
    """Run Adam on the first batch in several orders of its images; print and keep the errors."""
    x, labels = batches_of(network.network, BATCH)[0]
    ours = network.step("adam", x, labels)
    exact = _Exact(network, x, labels, sorted(ours.graph.parameters))
    runs: dict[str, list[Steps]] = {OURS: [], ONEDNN: [], PLAIN: []}
    for order in islice(permutations(range(BATCH)), orders):
        images = np.ascontiguousarray(x[list(order)]), np.ascontiguousarray(labels[list(order)])
        ours.begin(*images)
        runs[OURS].append(exact.compare(_GraphRun(ours), order))
        for who, is_used in ((ONEDNN, True), (PLAIN, False)):
            with onednn(is_used):
                single = _TorchRun(network.network, torch.float32, *images)
                runs[who].append(exact.compare(single, order))
    for who, each in runs.items():
        _print(who, each)
    kept = {
        who: [
            [run.moved, *(float(f"{each:.4g}") for each in (run.before, run.after))] for run in own
        ]
        for who, own in runs.items()
    }
    row = {"what": "steps of Adam", "network": network.network.name, "runs": kept}
    keep("training/bends", row)


class _GraphRun:
    """Steps of the training graph."""

    def __init__(self, step: GraphStep) -> None:
        self._step = step

    def step(self) -> list[Array]:
        """One step; what activations read."""
        self._step.step()
        return read_by(self._step)

    def parameters(self) -> dict[str, Array]:
        return self._step.values()


class _TorchRun:
    """Steps of PyTorch."""

    def __init__(self, network: Small, dtype: torch.dtype, x: Float32, labels: Array) -> None:
        self._step = torch_step(network, "adam", dtype, x, labels)

    def step(self) -> list[Array]:
        """One step; what activations read."""
        watched = Watched()
        with watched:
            self._step.step()
        return watched.read

    def parameters(self) -> dict[str, Array]:
        return self._step.parameters()


class _Exact:
    """A run in float64, with which others are compared step by step."""

    def __init__(self, network: Watching, x: Float32, labels: Array, names: Sequence[str]) -> None:
        run = _TorchRun(network.network, torch.float64, x, labels)
        self._kinds, self._names = network.kinds, names
        self._steps = [
            (sides_of(self._kinds, run.step()), flat(run.parameters(), names)) for _ in range(STEPS)
        ]

    def compare(self, run: _GraphRun | _TorchRun, order: Sequence[int]) -> Steps:
        """Distances of a run on the images in an order."""
        moved, before, after = None, 0.0, 0.0
        for number, (exact, parameters) in enumerate(self._steps, 1):
            sides = sides_of(self._kinds, run.step())
            if moved is None and any(
                not np.array_equal(a, b[list(order)]) for a, b in zip(sides, exact, strict=True)
            ):
                moved, before = number, after
            after = float(np.linalg.norm(flat(run.parameters(), self._names) - parameters))
        return Steps(moved, after if moved is None else before, after)


def _print(who: str, runs: Sequence[Steps]) -> None:
    moved = [run for run in runs if run.moved is not None]
    first = [float(run.moved or 0) for run in moved]
    print(
        f"  {who:<16} {len(moved)} of {len(runs)} moved since step {_spread(first, '.0f')}; "
        f"before {_spread([run.before for run in moved])}, "
        f"after {_spread([run.after for run in moved])}; "
        f"others {_spread([run.after for run in runs if run.moved is None])}",
        flush=True,
    )


def _spread(numbers: Sequence[float], form: str = ".0e") -> str:
    """Median, least and largest."""
    if not numbers:
        return "–"
    least, most = min(numbers), max(numbers)
    return f"{float(np.median(numbers)):{form}} ({least:{form}} to {most:{form}})"


if __name__ == "__main__":
    main()
