"""Gradients where roundings move activations over a bend: a training graph's beside PyTorch's.

Usage: python -m benchmarks.training.bends NETWORK …

In float32 an activation near the bend of a ReLU may be on another side than in float64, and every
gradient before it changes by far more than a rounding. Printed, of the training graph and of
PyTorch with and without oneDNN, on the batches of `gradients.py`: the error of what activations
read, how many are on another side in each batch, the error of all gradients, and the same against
float64 with each activation on the side that the run has it on, where errors of rules are left.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmarks.interleave import keep
from benchmarks.training.agreement import Agreement, Errors, batches_of, flat, joined, torch_step
from benchmarks.training.networks import small
from benchmarks.training.runners import GraphStep, onednn
from benchmarks.training.sides import Watched, Watching, read_by, sides_of
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.training import MOMENTUM

BATCH, WIDTH = 4, 0.25
OURS, ONEDNN, PLAIN = "training graph", "PyTorch, oneDNN", "PyTorch, plain"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+")
    torch.set_num_threads(1)
    for name in parser.parse_args().names:
        print(name)
        runs = compare(Watching(small(name, WIDTH)))
        for who, of_batches in runs.items():
            _print(who, of_batches)
        held = held_agreement(runs)
        worst, ratio = held.worst_gradient()
        share, count = held.share_within(3), len(held.gradients)
        print(
            f"  on the run's own sides: {share:.1%} of {count} parameters within 3 times PyTorch's "
            f"error, at most {ratio:.2f}: {worst}",
            flush=True,
        )
        row = {"what": "gradients", "network": name, "parameters": count, "within_3": share}
        kept = {who: [each.numbers() for each in of_batches] for who, of_batches in runs.items()}
        keep("training/bends", row | {"worst": [worst, round(ratio, 3)], "runs": kept})


@dataclass(frozen=True)
class First:
    """Loss and gradients at the beginning, and what activations read."""

    loss: float
    gradients: Mapping[str, Array]
    read: Sequence[Array]


@dataclass(frozen=True)
class Compared:
    """Errors of a run in float32 on one batch, against float64.

    Attributes:
        read: of what activations read, relative; the median of all activations.
        moved: how many values are on another side of a bend.
        loss: of the loss, and the exact one.
        free: of all gradients together, relative.
        held: the same with activations on the sides of the run.
        by_parameter: error and size of each gradient with activations on the sides of the run.
    """

    read: float
    moved: int
    loss: Errors
    free: float
    held: float
    by_parameter: Mapping[str, tuple[float, float]]

    def numbers(self) -> dict[str, float]:
        """What is kept of it."""
        of = {"read": self.read, "moved": self.moved, "free": self.free, "held": self.held}
        return {name: float(f"{number:.4g}") for name, number in of.items()}


def compare(network: Watching) -> dict[str, list[Compared]]:
    """The training graph, and PyTorch with and without oneDNN, on each batch."""
    batches = batches_of(network.network, BATCH)
    ours = network.step("sgd", *batches[0])
    compared: dict[str, list[Compared]] = {OURS: [], ONEDNN: [], PLAIN: []}
    for x, labels in batches:
        exact = _autograd(network, torch.float64, x, labels)
        for who, run in _runs(network, ours, x, labels).items():
            sides = sides_of(network.kinds, run.read)
            held = _autograd(network, torch.float64, x, labels, sides)
            moved = [
                np.count_nonzero(a != b)
                for a, b in zip(sides, sides_of(network.kinds, exact.read), strict=True)
            ]
            compared[who].append(_compared(run, exact, held, sum(moved)))
    return compared


def held_agreement(runs: Mapping[str, Sequence[Compared]]) -> Agreement:
    """Gradients with activations on the sides of the run; PyTorch's error is its larger one."""

    def errors(name: str) -> Errors:
        ours, *theirs = ([each.by_parameter[name] for each in runs[who]] for who in runs)
        larger = tuple(max(a, b) for (a, _), (b, _) in zip(*theirs, strict=True))
        return Errors(
            tuple(error for error, _ in ours), larger, float(np.median([size for _, size in ours]))
        )

    names = runs[OURS][0].by_parameter
    losses = joined([each.loss for each in runs[OURS]])
    single = tuple(
        max(a.loss.ours[0], b.loss.ours[0]) for a, b in zip(runs[ONEDNN], runs[PLAIN], strict=True)
    )
    return Agreement(replace(losses, theirs=single), {name: errors(name) for name in names}, {})


def _runs(network: Watching, ours: GraphStep, x: Float32, labels: Array) -> dict[str, First]:
    """The runs in float32."""
    ours.begin(x, labels)
    loss, now = ours.step(), ours.values()
    gradients = {name: now[f"{name}{MOMENTUM}"] for name in ours.graph.parameters}
    runs = {OURS: First(loss, gradients, read_by(ours))}
    for who, is_used in ((ONEDNN, True), (PLAIN, False)):
        with onednn(is_used):
            runs[who] = _autograd(network, torch.float32, x, labels)
    return runs


def _autograd(
    network: Watching, dtype: torch.dtype, x: Float32, labels: Array, held: Sequence[Array] = ()
) -> First:
    with Watched(held) as watched:
        loss, gradients = torch_step(network.network, "sgd", dtype, x, labels).gradients()
    # Behind those of the graph there may be GoogLeNet's auxiliary classifiers.
    return First(loss, gradients, watched.read[: len(network.kinds)])


def _compared(run: First, exact: First, held: First, moved: int) -> Compared:
    read = [relative(a, b) for a, b in zip(run.read, exact.read, strict=True)]
    names = list(run.gradients)
    whole = flat(run.gradients, names)
    return Compared(
        float(np.median(read)) if read else 0.0,
        moved,
        Errors((abs(run.loss - exact.loss),), (0.0,), exact.loss),
        relative(whole, flat(exact.gradients, names)),
        relative(whole, flat(held.gradients, names)),
        {
            name: (_norm(run.gradients[name] - held.gradients[name]), _norm(held.gradients[name]))
            for name in names
        },
    )


def relative(value: Array, exact: Array) -> float:
    """Norm of an error by that of the exact value."""
    return _norm(value - exact) / _norm(exact)


def _norm(value: Array) -> float:
    return float(np.linalg.norm(value.reshape(-1)))


def _print(who: str, runs: Sequence[Compared]) -> None:
    print(
        f"  {who:<16} read {np.median([each.read for each in runs]):.1e}, "
        f"moved {', '.join(str(each.moved) for each in runs)}; "
        f"gradients {', '.join(f'{each.free:.0e}' for each in runs)}; "
        f"held {', '.join(f'{each.held:.1e}' for each in runs)}"
    )


if __name__ == "__main__":
    main()
