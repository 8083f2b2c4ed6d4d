"""LeNet-5 from MNIST to Fashion-MNIST on the device path alone, beside PyTorch.

All parameters, SGD with momentum, the same start, images, order and batches for both: the runtime
runs the training graph with ONNX Runtime, PyTorch its own autograd. Both are judged on the same
10,000 test images.

    python -m benchmarks.training.device_learning
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

import edgecnn
import edgecnn_runtime as edge
from benchmarks.interleave import keep
from edgecnn.train.data import load_named
from edgecnn.train.dataset import InMemory, Split
from edgecnn_runtime.arrays import Float32, Int64
from edgecnn_runtime.parity.proportion import wilson_interval

EPOCHS, BATCH, RATE, MOMENTUM = 3, 64, 0.01, 0.9
SEEDS = (0, 1)
NETWORK, WEIGHTS = "lenet5", "mnist"


def main() -> None:
    """Learn with every seed on both paths; print and keep accuracies and seconds."""
    data = load_named("fashion-mnist", (1, 28, 28))
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lenet5.edge"
        edgecnn.export(
            NETWORK, output=path, weights=WEIGHTS, learn="all", optimiser="sgd", momentum=MOMENTUM
        )
        with edge.open(path) as model:
            spec = model.manifest.preprocess
        assert spec is not None
        images, labels = arrays(data.train, spec.mean[0], spec.std[0])
        judges, judged = arrays(data.test, spec.mean[0], spec.std[0])
        for seed in SEEDS:
            order = np.concatenate(
                [np.random.default_rng([seed, e]).permutation(len(labels)) for e in range(EPOCHS)]
            )
            batches = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
            ours = learn(path, images, labels, batches, judges)
            theirs = learn_in_pytorch(images, labels, batches, judges)
            for name, (answers, seconds) in {"edgecnn": ours, "pytorch": theirs}.items():
                show(name, seed, int((answers == judged).sum()), len(judged), seconds)
            same = float((ours[0] == theirs[0]).mean())
            print(f"seed {seed}: the same class for {same:.2%} of the test images", flush=True)
            keep("training/device_learning", {"what": "agreement", "seed": seed, "share": same})


def arrays(split: Split, mean: float, std: float) -> tuple[Float32, Int64]:
    """Images (N, 1, 28, 28) as the network reads them, and labels."""
    assert isinstance(split.images, InMemory)
    grey = split.images.array.astype(np.float32) / 255
    return (grey.transpose(0, 3, 1, 2) - np.float32(mean)) / np.float32(std), split.labels


def learn(
    path: Path, images: Float32, labels: Int64, batches: list[Int64], judges: Float32
) -> tuple[Int64, float]:
    """Classes of the judges after learning with the runtime, and seconds of the steps."""
    with edge.open(path, learn=True, threads=1) as model:
        began = time.perf_counter()
        for batch in batches:
            model.learn(images[batch], labels[batch], RATE)
        seconds = time.perf_counter() - began
        name, output = model.manifest.inputs[0].name, model.manifest.outputs[0].name
        answers = [model.run({name: part})[output] for part in np.array_split(judges, 50)]
    return np.concatenate(answers).argmax(axis=1), seconds


def learn_in_pytorch(
    images: Float32, labels: Int64, batches: list[Int64], judges: Float32
) -> tuple[Int64, float]:
    """The same with PyTorch."""
    module = edgecnn.load_network(NETWORK, weights=WEIGHTS)
    optimiser = torch.optim.SGD(module.parameters(), lr=RATE, momentum=MOMENTUM)
    loss = nn.CrossEntropyLoss()
    began = time.perf_counter()
    for batch in batches:
        optimiser.zero_grad()
        loss(module(torch.from_numpy(images[batch])), torch.from_numpy(labels[batch])).backward()
        optimiser.step()
    seconds = time.perf_counter() - began
    with torch.no_grad():
        return module(torch.from_numpy(judges)).argmax(dim=1).numpy(), seconds


def show(name: str, seed: int, right: int, total: int, seconds: float) -> None:
    """Print an accuracy with its 95 % interval, and keep it."""
    low, high = wilson_interval(right, total)
    interval = f"({100 * low:.2f} to {100 * high:.2f})"
    print(
        f"{name:<10} seed {seed}: {100 * right / total:.2f} % {interval}, n = {total:,}, "
        f"{EPOCHS} epochs in {seconds:.1f} s",
        flush=True,
    )
    result = {"right": right, "of": total, "seconds": seconds, "seed": seed}
    keep("training/device_learning", {"what": name} | result)


if __name__ == "__main__":
    main()
