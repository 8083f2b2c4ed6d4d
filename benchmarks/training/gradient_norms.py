"""Gradient norm of each convolution, while a network is trained and at one moment."""

from __future__ import annotations

import copy
import functools

import numpy as np
import torch
from torch import nn

from benchmarks.training.shared import SHAPE, Result, epoch_json, short
from edgecnn.train.augment import Augmenter
from edgecnn.train.dataset import Dataset
from edgecnn.train.history import Epoch

# Norms are averaged over so many steps.
STEPS = 8


class GradientNorms:
    """Observer of a training: the mean norm of each convolution's gradient, input to output.

    Hooks on the weights see the gradient as backward made it, before clipping. Only the first
    `STEPS` steps after each `take` count.
    """

    def __init__(self, network: nn.Module) -> None:
        self.epochs: list[Result] = []
        self._samples: list[list[float]] = []
        for convolution in convolutions(network):
            samples: list[float] = []
            self._samples.append(samples)
            # PyTorch has no types for this one.
            convolution.weight.register_hook(functools.partial(_note, samples))  # type: ignore[no-untyped-call]

    def take(self) -> list[float]:
        """The means, (convolutions,); the next ones begin anew."""
        means = [short(float(np.mean(samples))) for samples in self._samples]
        for samples in self._samples:
            samples.clear()
        return means

    def step(self, epoch: int, done: float, loss: float, accuracy: float, rate: float) -> None:
        """Nothing: the hooks have seen the step."""

    def epoch(self, row: Epoch) -> None:
        """Keep the epoch with the norms of its first steps."""
        self.epochs.append(epoch_json(row) | {"gradient_norms": self.take()})


def gradient_norms(network: nn.Module, dataset: Dataset, batch_size: int) -> list[float]:
    """Norm of each convolution's gradient, (convolutions,): the mean over `STEPS` batches.

    The images are the first of the training images, not augmented. The network is left as it is.
    """
    twin = copy.deepcopy(network).train()
    norms = GradientNorms(twin)
    augmenter = Augmenter(dataset.preprocess, SHAPE[1:], (), torch.zeros(3, 3))
    first = np.arange(STEPS * batch_size) % len(dataset.train)
    for indices in first.reshape(STEPS, -1):
        target = torch.from_numpy(dataset.train.labels[indices])
        logits = twin(augmenter(dataset.train.images.read(indices), None))
        torch.autograd.backward(nn.functional.cross_entropy(logits, target))
    return norms.take()


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    """In the order that an image passes them; shortcuts here have none."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]


def _note(samples: list[float], gradient: torch.Tensor) -> None:
    if len(samples) < STEPS:
        # The squares of a vanished gradient are below the smallest float32.
        samples.append(float(gradient.double().norm()))
