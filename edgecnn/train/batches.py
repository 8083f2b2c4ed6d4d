"""Batches of an epoch: the images drawn, split over processes, augmented and mixed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from edgecnn.errors import DataUnreadable
from edgecnn.train.augment import Augmenter, Draws, draw, principal_components
from edgecnn.train.dataset import Dataset
from edgecnn.train.distributed import ProcessGroup
from edgecnn.train.recipe import Recipe
from edgecnn_runtime.arrays import Int64

# Pixels whose colours stand for all of them.
COLOUR_SAMPLE = 5_000_000


@dataclass(frozen=True)
class Batch:
    """One process's n images of a batch.

    Attributes:
        x: (n, C, height, width), augmented and mixed.
        target: (n,), the images' labels.
        mixed: (n,), labels of the images that were mixed in (mixup).
        mix: λ, how much of x is the images' own; 1 without mixup.
    """

    x: torch.Tensor
    target: torch.Tensor
    mixed: torch.Tensor
    mix: float


class Batches:
    """A process's part of every batch. What it holds depends on seed, epoch and step alone.

    Attributes:
        size: images of a batch, over all processes together: the recipe's, or all images where
            there are fewer, less what the processes cannot share out evenly.
        steps: batches an epoch. The images that do not fill a last one are left out; every epoch
            leaves out others.
        augmenter: what makes the network's input of images.
    """

    def __init__(
        self, recipe: Recipe, dataset: Dataset, resolution: tuple[int, int], processes: ProcessGroup
    ) -> None:
        """`resolution` is the (height, width) that the network reads.

        Raises:
            DataUnreadable: fewer images in a batch than processes.
        """
        whole = min(recipe.batch_size, len(dataset.train))
        self.size = whole - whole % processes.size
        if self.size == 0:
            raise DataUnreadable(
                f"a batch is {whole} images ({dataset.name} has {len(dataset.train)} for training, "
                f"--batch-size is {recipe.batch_size}), fewer than the {processes.size} processes "
                "that share it; start fewer"
            )
        self.steps = len(dataset.train) // self.size
        self.recipe, self.train = recipe, dataset.train
        self.mine = torch.arange(self.size).chunk(processes.size)[processes.rank]
        self.augmenter = Augmenter(
            dataset.preprocess,
            resolution,
            recipe.augmentation,
            _components(recipe, dataset, resolution),
        )

    def epoch(self, epoch: int, device: torch.device) -> Iterator[Batch]:
        """The batches of epoch `epoch`, counted from 0."""
        order = np.random.default_rng((self.recipe.seed, epoch)).permutation(len(self.train))
        for step in range(self.steps):
            indices = order[step * self.size : (step + 1) * self.size]
            draws = draw(self.size, self.recipe.mixup, seed_of(self.recipe.seed, epoch, step))
            x, target = self._read(indices, self.mine, draws)
            mixed = target
            if draws.mix < 1:
                # Zhang et al. 2018 mix a batch with itself in another order; here, backwards.
                other, mixed = self._read(indices, self.size - 1 - self.mine, draws)
                x = draws.mix * x + (1 - draws.mix) * other
            yield Batch(x.to(device), target.to(device), mixed.to(device), draws.mix)

    def _read(
        self, indices: Int64, positions: torch.Tensor, draws: Draws
    ) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = indices[positions.numpy()]
        x = self.augmenter(self.train.images.read(chosen), draws.part(positions))
        return x, torch.from_numpy(self.train.labels[chosen])


def seed_of(*parts: int) -> int:
    """One seed of several numbers, such that no two of their combinations are near."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)


def _components(recipe: Recipe, dataset: Dataset, resolution: tuple[int, int]) -> torch.Tensor:
    """(3, 3): the principal components of the training images' colours, where they are wanted."""
    if "lighting" not in recipe.augmentation:
        return torch.zeros(3, 3)
    order = np.random.default_rng(recipe.seed).permutation(len(dataset.train))
    height, width = resolution
    count = max(1, COLOUR_SAMPLE // (height * width))
    return principal_components(dataset.train.images.read(order[:count]))
