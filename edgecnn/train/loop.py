"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from edgecnn.errors import DataUnreadable, LossDiverged, ResumeRefused
from edgecnn.train.augment import Augmenter, Draws, draw, principal_components
from edgecnn.train.checkpoints import (
    METRICS,
    STATE,
    STATE_SCHEMA,
    WEIGHTS,
    read_state,
    restore_optimiser,
    write_state,
    write_tensors,
)
from edgecnn.train.data import Dataset, Split
from edgecnn.train.distributed import Group, group, share
from edgecnn.train.history import Epoch, write_csv
from edgecnn.train.optimise import Average, learning_rate, make_optimiser
from edgecnn.train.recipe import Recipe, recipe_from_json

TEST_BATCH = 500
# Szegedy et al. 2015, section 5: an auxiliary classifier's loss counts so much.
AUXILIARY_WEIGHT = 0.3
# Pixels whose colours stand for all of them.
COLOUR_SAMPLE = 5_000_000


class Observer(Protocol):
    """Who watches a training."""

    def step(self, epoch: int, done: float, loss: float, accuracy: float, rate: float) -> None:
        """Part of an epoch is done (0…1); loss and accuracy so far; images a second."""
        ...

    def epoch(self, row: Epoch) -> None:
        """An epoch is done and on disk."""
        ...


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        folder: where weights, state and metrics are written.
        description: what the weights say of themselves: architecture, form, input, …
        is_resumed: go on from the state in `folder`, if there is one.
    """

    network: nn.Module
    recipe: Recipe
    dataset: Dataset
    folder: Path
    description: Mapping[str, Any]
    is_resumed: bool = False


def train(job: Job, observer: Observer) -> list[Epoch]:
    """Train the network as the recipe says; every epoch ends with a checkpoint on disk.

    Returns:
        The epochs, those before a resume included.

    Raises:
        LossDiverged: the loss is not finite; the checkpoint of the last good epoch stays.
        ResumeRefused: the state on disk is of another training.
        DataUnreadable: fewer training images than processes.
    """
    torch.set_num_threads(job.recipe.threads)
    with group() as processes:
        return _Loop(job, observer, processes).run()


def evaluate(
    network: nn.Module, split: Split, augmenter: Augmenter, processes: Group
) -> tuple[float, int]:
    """Mean loss, and how many of the images are classified rightly, in evaluation mode."""
    network.eval()
    loss, right = 0.0, 0
    device = next(network.parameters()).device
    with torch.inference_mode():
        for begin in range(processes.rank * TEST_BATCH, len(split), TEST_BATCH * processes.size):
            indices = np.arange(begin, min(begin + TEST_BATCH, len(split)))
            x = augmenter(split.images.read(indices), None).to(device)
            target = torch.from_numpy(split.labels[indices]).to(device)
            logits = network(x)
            loss += float(nn.functional.cross_entropy(logits, target, reduction="sum"))
            right += int((logits.argmax(1) == target).sum())
    loss, right = processes.total(loss, right)  # type: ignore[assignment]
    return loss / len(split), int(right)


class _Loop:
    def __init__(self, job: Job, observer: Observer, processes: Group) -> None:
        self.job, self.observer, self.processes = job, observer, processes
        recipe, dataset = job.recipe, job.dataset
        self.batch = min(recipe.batch_size, len(dataset.train))
        self.batch -= self.batch % processes.size
        if self.batch == 0:
            raise DataUnreadable(
                f"{dataset.name} has {len(dataset.train)} training images, fewer than the "
                f"{processes.size} processes"
            )
        self.steps = len(dataset.train) // self.batch
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        # Images lie in memory channels last; convolutions that read them so need no copy. The stub
        # of `to` does not know the argument.
        self.network = job.network.to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        _set_dropout(self.network, recipe)
        self.shared = share(self.network, processes)
        self.optimiser = make_optimiser(self.network, recipe)
        self.average = Average(self.network, recipe.ema) if recipe.ema else None
        self.history: list[Epoch] = []
        height, width = job.description["input"][1:]
        self.augmenter = Augmenter(
            dataset.preprocess, (height, width), recipe.augmentation, _components(job)
        )

    def run(self) -> list[Epoch]:
        if self.job.is_resumed and (self.job.folder / STATE).exists():
            self._resume()
        for epoch in range(len(self.history), self.job.recipe.epochs):
            row = self._epoch(epoch)
            self.history.append(row)
            if self.processes.is_first:
                self._write()
                self.observer.epoch(row)
            self.processes.wait()
        return self.history

    def _epoch(self, epoch: int) -> Epoch:
        recipe = self.job.recipe
        began = time.perf_counter()
        # Dropout draws from PyTorch's own generator; no two processes draw the same.
        torch.manual_seed(_seed(recipe.seed, epoch, self.processes.rank))
        self.shared.train()
        loss = right = 0.0
        for step, (x, target, mixed, weight) in enumerate(self._batches(epoch)):
            rate = learning_rate(recipe, epoch * self.steps + step, self.steps)
            found, hits = self._step(x, target, mixed, weight, rate)
            loss, right = loss + found, right + hits
            if not math.isfinite(found):
                raise self._diverged(f"the loss became {found} in epoch {epoch + 1}")
            if self.average is not None:
                self.average.update(self.network, epoch * self.steps + step)
            seen = (step + 1) * self.batch
            speed = seen / (time.perf_counter() - began)
            mine = seen / self.processes.size
            self.observer.step(
                epoch + 1, (step + 1) / self.steps, loss / (step + 1), right / mine, speed
            )
        loss, right = self.processes.total(loss / self.processes.size, right)
        test_loss, test_right = self._test()
        if not math.isfinite(test_loss):
            raise self._diverged(f"the loss on test images is {test_loss} in epoch {epoch + 1}")
        return Epoch(
            epoch=epoch + 1,
            loss=loss / self.steps,
            accuracy=right / (self.steps * self.batch),
            test_loss=test_loss,
            test_accuracy=test_right / len(self.job.dataset.test),
            learning_rate=rate,
            images_per_s=speed,
            seconds=time.perf_counter() - began,
        )

    def _batches(
        self, epoch: int
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor, float]]:
        """This process's part of every batch: images, labels, labels mixed in, and share of ours.

        The images that do not fill a last batch are left out; every epoch leaves out others.
        """
        recipe, train = self.job.recipe, self.job.dataset.train
        order = np.random.default_rng((recipe.seed, epoch)).permutation(len(train))
        mine = torch.arange(self.batch).chunk(self.processes.size)[self.processes.rank]
        for step in range(self.steps):
            indices = order[step * self.batch : (step + 1) * self.batch]
            draws = draw(self.batch, recipe.mixup, _seed(recipe.seed, epoch, step))
            x, target = self._read(indices, mine, draws)
            mixed = target
            if draws.mix < 1:
                other, mixed = self._read(indices, self.batch - 1 - mine, draws)
                x = draws.mix * x + (1 - draws.mix) * other
            yield x.to(self.device), target.to(self.device), mixed.to(self.device), draws.mix

    def _read(
        self, indices: np.ndarray[Any, np.dtype[np.int64]], positions: torch.Tensor, draws: Draws
    ) -> tuple[torch.Tensor, torch.Tensor]:
        train = self.job.dataset.train
        chosen = indices[positions.numpy()]
        x = self.augmenter(train.images.read(chosen), draws.part(positions))
        return x, torch.from_numpy(train.labels[chosen])

    def _step(
        self, x: torch.Tensor, target: torch.Tensor, mixed: torch.Tensor, share: float, rate: float
    ) -> tuple[float, float]:
        for parameters in self.optimiser.param_groups:
            parameters["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            outputs = self.shared(x)
            logits = outputs[0] if isinstance(outputs, tuple) else outputs
            loss = self._loss(logits, target, mixed, share)
            for auxiliary in outputs[1:] if isinstance(outputs, tuple) else ():
                loss = loss + AUXILIARY_WEIGHT * self._loss(auxiliary, target, mixed, share)
        torch.autograd.backward(loss)
        if self.job.recipe.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.job.recipe.clip)
        self.optimiser.step()
        return float(loss.detach()), float((logits.argmax(1) == target).sum())

    def _loss(
        self, logits: torch.Tensor, target: torch.Tensor, mixed: torch.Tensor, share: float
    ) -> torch.Tensor:
        smoothing = self.job.recipe.label_smoothing
        loss = nn.functional.cross_entropy(logits, target, label_smoothing=smoothing)
        if share < 1:
            other = nn.functional.cross_entropy(logits, mixed, label_smoothing=smoothing)
            loss = share * loss + (1 - share) * other
        return loss

    def _test(self) -> tuple[float, int]:
        """With the weights that are kept: the averaged ones where there are some."""
        if self.average is None:
            return evaluate(self.network, self.job.dataset.test, self.augmenter, self.processes)
        own = {key: value.clone() for key, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average.weights)
        try:
            return evaluate(self.network, self.job.dataset.test, self.augmenter, self.processes)
        finally:
            self.network.load_state_dict(own)

    def _write(self) -> None:
        job = self.job
        kept = self.average.weights if self.average else self.network.state_dict()
        last = self.history[-1]
        result = {
            "recipe": job.recipe.to_json(),
            "epoch": last.epoch,
            "test": {
                "images": len(job.dataset.test),
                "right": round(last.test_accuracy * len(job.dataset.test)),
            },
        }
        write_tensors(job.folder / WEIGHTS, kept, dict(job.description) | result)
        write_state(
            job.folder / STATE,
            self.network.state_dict(),
            self.average.weights if self.average else {},
            self.optimiser,
            {
                "schema": STATE_SCHEMA,
                "description": dict(job.description),
                "recipe": job.recipe.to_json(),
                "processes": self.processes.size,
                "history": [asdict(row) for row in self.history],
            },
        )
        write_csv(self.history, job.folder / METRICS)

    def _resume(self) -> None:
        path = self.job.folder / STATE
        parts, description = read_state(path)
        differences = _differences(description, self.job, self.processes)
        if differences:
            raise ResumeRefused(
                f"{path} is of another training: {'; '.join(differences)} (there against here); "
                "say the same again, or choose another folder with --output"
            )
        self.network.load_state_dict(parts["network"])
        restore_optimiser(self.optimiser, parts["optimiser"])
        if self.average is not None:
            self.average.weights = {k: v.to(self.device) for k, v in parts["average"].items()}
        self.history = [Epoch(**row) for row in description["history"]]

    def _diverged(self, what: str) -> LossDiverged:
        kept = self.job.folder / WEIGHTS
        where = (
            f"{kept} holds the last good epoch, {self.history[-1].epoch}"
            if self.history
            else "no epoch was finished"
        )
        rate = self.job.recipe.learning_rate
        return LossDiverged(
            f"{what}; {where}. Try a lower --learning-rate than {rate:g}, or --clip 5"
        )


def _differences(description: Mapping[str, Any], job: Job, processes: Group) -> list[str]:
    """What of a state's description is not as this job says."""
    there, here = dict(description["description"]), dict(job.description)
    keys: Sequence[str] = ("architecture", "form", "data", "input")
    found = [
        f"{key} {there.get(key)} against {here.get(key)}"
        for key in keys
        if there.get(key) != here.get(key)
    ]
    if description["processes"] != processes.size:
        found.append(f"processes {description['processes']} against {processes.size}")
    return found + recipe_from_json(description["recipe"]).differences(job.recipe)


def _components(job: Job) -> torch.Tensor:
    """(3, 3): the principal components of the training images' colours, where they are wanted."""
    if "lighting" not in job.recipe.augmentation:
        return torch.zeros(3, 3)
    train = job.dataset.train
    order = np.random.default_rng(job.recipe.seed).permutation(len(train))
    height, width = job.description["input"][1:]
    count = max(1, COLOUR_SAMPLE // (height * width))
    return principal_components(train.images.read(order[:count]))


def _set_dropout(network: nn.Module, recipe: Recipe) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Dropout) and recipe.dropout is not None:
            layer.p = recipe.dropout


def _seed(*parts: int) -> int:
    """One seed of several numbers, such that no two of their combinations are near."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> 1)
