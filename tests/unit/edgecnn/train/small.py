"""A training that takes a second: noise of four classes, a thin network. Run as a script too."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edgecnn.train.dataset import Dataset, InMemory, Split
from edgecnn.train.history import Epoch
from edgecnn.train.loop import TrainingJob, train
from edgecnn.train.options import is_first
from edgecnn.train.recipe import Recipe, recipe_from_json
from edgecnn.zoo import ARCHITECTURES, CIFAR

TRAINING, TEST, SIDE = 72, 37, 16


def noise() -> Dataset:
    """Images whose classes cannot be learnt, but by heart."""
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (TRAINING, SIDE, SIDE, 3), np.uint8)
    labels = draw.integers(0, 4, TRAINING)
    test = Split(InMemory(images[:TEST]), labels[:TEST])
    return Dataset("noise", Split(InMemory(images), labels), test, CIFAR, ("a", "b", "c", "d"))


def job(
    folder: Path, recipe: Recipe, network: str = "resnet20", *, is_resumed: bool = False
) -> TrainingJob:
    """A training of a thin network on noise."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    thin = {"depth": 0.34} if "depth" in ARCHITECTURES[network].options else {}
    small = {"stem": "small"} if "stem" in ARCHITECTURES[network].options else {}
    module = ARCHITECTURES[network].build(classes=4, width=0.25, **thin, **small)  # type: ignore[arg-type]
    description = {"architecture": network, "input": [3, SIDE, SIDE], "data": "noise"}
    return TrainingJob(module, recipe, noise(), folder, description, is_resumed)


class Killed:
    """An observer that kills its process in the middle of the second epoch."""

    def step(self, epoch: int, done: float, loss: float, accuracy: float, rate: float) -> None:
        if epoch == 2 and done > 0.4:
            os.kill(os.getpid(), signal.SIGKILL)

    def epoch(self, row: Epoch) -> None:
        pass


class Silent:
    """An observer that sees nothing."""

    def step(self, epoch: int, done: float, loss: float, accuracy: float, rate: float) -> None:
        pass

    def epoch(self, row: Epoch) -> None:
        pass


def fault(network: nn.Module) -> None:
    """Let the second of two processes see images that are no numbers."""
    if not is_first():
        network.register_forward_pre_hook(lambda _, inputs: (inputs[0] * torch.nan,))


if __name__ == "__main__":
    request = json.loads(sys.argv[1])
    found = job(Path(request["folder"]), recipe_from_json(request["recipe"]), request["network"])
    if request.get("is_faulty"):
        fault(found.network)
    train(found, Killed() if request["is_killed"] else Silent())
