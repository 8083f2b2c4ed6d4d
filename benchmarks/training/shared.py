"""Shared by the training benchmarks: a part of CIFAR-10, one training, results kept once."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from benchmarks.interleave import RESULTS, keep
from edgecnn.train.data import load_named
from edgecnn.train.dataset import Dataset, InMemory, Split
from edgecnn.train.history import Epoch
from edgecnn.train.loop import Observer, TrainingJob, train
from edgecnn.train.recipe import Recipe
from edgecnn_runtime.parity.proportion import wilson_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHAPE = (3, 32, 32)
# 95 % of ±2.2 points at an accuracy of 50 %; all 10,000 would take as long as the training.
TEST_IMAGES = 2000
DOCS = Path(__file__).parents[2] / "docs"
IMAGES = DOCS / "images"

Result = dict[str, Any]


def part_of_cifar10(
    images: int, test_images: int = TEST_IMAGES, shape: tuple[int, int, int] = SHAPE
) -> Dataset:
    """The first `images` of the training images and the first `test_images` of the others.

    CIFAR-10 is in random order: its beginnings are samples of it.
    """
    whole = load_named("cifar10", shape)
    return replace(whole, train=_first(whole.train, images), test=_first(whole.test, test_images))


class Unwatched:
    """An observer that does nothing."""

    def step(self, epoch: int, done: float, loss: float, accuracy: float, rate: float) -> None:
        """Nothing."""

    def epoch(self, row: Epoch) -> None:
        """Nothing: `fit` returns the epochs."""


def fit(
    network: nn.Module, recipe: Recipe, dataset: Dataset, observer: Observer | None = None
) -> list[Epoch]:
    """The epochs of a training whose checkpoints are thrown away; the network keeps its weights.

    Raises:
        LossDiverged: the loss is not finite.
    """
    assert isinstance(dataset.train.images, InMemory)
    height, width, channels = dataset.train.images.array.shape[1:]
    description = {"input": (channels, height, width)}
    with tempfile.TemporaryDirectory() as folder:
        job = TrainingJob(network, recipe, dataset, Path(folder), description)
        return train(job, observer or Unwatched())


def once(benchmark: str, configuration: Mapping[str, Any], run: Callable[[], Result]) -> Result:
    """The result of a configuration: what ``results/BENCHMARK.jsonl`` holds, or `run` and kept."""
    result = find(benchmark, configuration)
    if result is None:
        result = run() | {"configuration": dict(configuration), "torch": torch.__version__}
        keep(benchmark, {"what": "training"} | result)
    return result


def find(benchmark: str, configuration: Mapping[str, Any]) -> Result | None:
    """The newest line of ``results/BENCHMARK.jsonl`` with exactly this configuration."""
    path = RESULTS / f"{benchmark}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    wanted = json.loads(json.dumps(configuration))
    for line in reversed(lines):
        result: Result = json.loads(line)
        if result["configuration"] == wanted:
            return result
    return None


def epoch_json(row: Epoch, test_images: int = TEST_IMAGES) -> Result:
    """An epoch with the count behind its test accuracy, and its Wilson interval."""
    right = round(row.test_accuracy * test_images)
    test = {
        "images": test_images,
        "right": right,
        "interval": [short(bound) for bound in wilson_interval(right, test_images)],
    }
    return {key: short(value) for key, value in asdict(row).items()} | {"test": test}


def accuracy_words(tests: Sequence[Mapping[str, Any]]) -> str:
    """Accuracies of several seeds as "45.1 % (43.0–47.3), 46.0 % (…)"."""
    words = []
    for test in tests:
        low, high = test["interval"]
        share = test["right"] / test["images"]
        words.append(f"{100 * share:.1f} % ({100 * low:.1f}–{100 * high:.1f})")
    return ", ".join(words)


def short(value: float) -> float:
    """Six digits are more than any of these numbers carries."""
    return value if isinstance(value, int) else float(f"{value:.6g}")


def tidy(axes: Axes) -> None:
    """A grid to read values from, and no frame."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def save(figure: Figure, name: str) -> None:
    """Write ``docs/images/NAME``."""
    IMAGES.mkdir(exist_ok=True)
    figure.savefig(IMAGES / name, dpi=120)
    print(f"wrote {IMAGES / name}")


def _first(split: Split, count: int) -> Split:
    assert isinstance(split.images, InMemory)
    return Split(InMemory(split.images.array[:count]), split.labels[:count])
