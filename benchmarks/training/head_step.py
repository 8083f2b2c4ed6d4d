"""Time of a step of learning a head: a bundle of MobileNetV2 beside PyTorch, eager.

Usage: python -m benchmarks.training.head_step [--rounds 20] [--batch 16] [--threads 1 2]
       [--classes 10 1000] [--folder FOLDER]

Learnt is the last layer, by Adam with cross-entropy, on images of 224×224. Ours is `learn` of a
session, behind an 8-bit backbone; PyTorch's backbone is float, in evaluation mode under
``no_grad``. A forward pass of the int8 artefact and of PyTorch's module are measured too. All run
once a round, in turned order every other round; printed are least and median wall times and their
ratios to PyTorch's step, and that of our step to the forward pass. Bundles are made in the folder,
or taken from it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

import edgecnn
import edgecnn_runtime as edge
from benchmarks.interleave import interleave, keep
from benchmarks.training.step import PEER, timer
from edgecnn.model.settle import settle
from edgecnn.zoo import ARCHITECTURES, Form
from edgecnn_runtime.arrays import Array, Float32

STEP, FORWARD, PEER_FORWARD = "edgecnn", "int8 forward", f"{PEER} forward"


class TorchHead:
    """MobileNetV2 in PyTorch, whose last layer learns."""

    def __init__(self, classes: int, x: Float32, labels: Array) -> None:
        torch.manual_seed(0)
        architecture = ARCHITECTURES["mobilenet_v2"]
        module = architecture.build(**Form(classes=classes).given()).eval()  # type: ignore[arg-type] # of the form's own types
        # Values that vanish on their way would be subnormal, and slow.
        settle(module, architecture.input, architecture.preprocess)
        self.module = module
        self.head: nn.Linear = module.classifier[-1]
        self.optimiser = torch.optim.Adam(self.head.parameters())
        self.x, self.labels = torch.from_numpy(x), torch.from_numpy(labels)

    def forward(self) -> float:
        """One inference."""
        with torch.no_grad():
            return float(self.module(self.x)[0, 0])

    def step(self) -> float:
        """One step; the loss before it."""
        with torch.no_grad():
            features = self.module.features(self.x).mean((2, 3))
        self.optimiser.zero_grad()
        loss = nn.functional.cross_entropy(self.head(features), self.labels)
        loss.backward()
        self.optimiser.step()
        return float(loss.detach())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for classes in options.classes:
            bundle = made(options.folder or Path(scratch), classes)
            for threads in options.threads:
                measure(bundle, classes, options.batch, threads, options.rounds)


def made(folder: Path, classes: int) -> Path:
    """A bundle whose head can be learnt, with weights of chance: times do not depend on them."""
    path = folder / f"mobilenet_v2-{classes}.edge"
    if not path.exists():
        edgecnn.export(
            "mobilenet_v2",
            output=path,
            weights="random",
            classes=classes,
            quantize="int8",
            learn="head",
        )
    return path


def measure(bundle: Path, classes: int, batch: int, threads: int, rounds: int) -> None:
    """Time all, print the ratios and keep the samples."""
    torch.set_num_threads(threads)
    random = np.random.default_rng(0)
    x = random.standard_normal((batch, 3, 224, 224)).astype(np.float32)
    labels = random.integers(0, classes, batch)
    theirs = TorchHead(classes, x, labels)
    with (
        edge.open(bundle, learn=True, threads=threads) as ours,
        edge.open(bundle, engine="onnxruntime", precision="int8", threads=threads) as forward,
    ):
        feeds = {forward.manifest.inputs[0].name: x}
        candidates: dict[str, Callable[[], object]] = {
            STEP: lambda: ours.learn(x, labels),
            FORWARD: lambda: forward.run(feeds),
            PEER: theirs.step,
            PEER_FORWARD: theirs.forward,
        }
        samples = interleave({name: timer(run) for name, run in candidates.items()}, rounds)
    wall = {name: [each[0] for each in own] for name, own in samples.items()}
    cpu = {name: [each[1] for each in own] for name, own in samples.items()}
    show(f"{classes} classes, {threads} threads, batch {batch} (n = {rounds})", wall)
    result = {"what": "head", "classes": classes, "threads": threads, "batch": batch, "unit": "s"}
    keep("training/head_step", {**result, "wall": wall, "cpu": cpu})


def show(title: str, wall: Mapping[str, Sequence[float]]) -> None:
    """Print least and median times, and their ratios."""
    print(title)
    for name, own in wall.items():
        least, median = 1e3 * min(own), 1e3 * float(np.median(own))
        print(
            f"  {name:<16}least {least:7.1f} ms = {min(own) / min(wall[PEER]):.2f} × {PEER}, "
            f"median {median:7.1f} ms = {np.median(own) / np.median(wall[PEER]):.2f} × {PEER}"
        )
    ratios = [of(wall[STEP]) / of(wall[FORWARD]) for of in (min, np.median)]
    print(f"  step / forward  least {ratios[0]:.3f}, median {ratios[1]:.3f}", flush=True)


if __name__ == "__main__":
    main()
