"""The training loop."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from edgecnn.errors import LossDiverged, ResumeRefused
from edgecnn.train.batches import Batch, Batches, seed_of
from edgecnn.train.checkpoints import (
    METRICS,
    STATE,
    WEIGHTS,
    TrainingState,
    copy_tensors,
    optimiser_tensors,
    read_state,
    restore_optimiser,
    summarise_labels,
    write_state,
    write_tensors,
)
from edgecnn.train.dataset import Dataset
from edgecnn.train.distributed import ProcessGroup, group, own_device, share
from edgecnn.train.evaluate import evaluate
from edgecnn.train.history import Epoch, write_csv
from edgecnn.train.method import Method, Supervised
from edgecnn.train.optimise import Average, learning_rate, make_optimiser
from edgecnn.train.recipe import Recipe


class Observer(Protocol):
    """Observer of a training."""

    def step(self, epoch: int, done: float, loss: float, accuracy: float, rate: float) -> None:
        """Part of an epoch is done (0…1); loss and accuracy so far; images a second."""
        ...

    def epoch(self, row: Epoch) -> None:
        """An epoch is done and on disk."""
        ...


@dataclass(frozen=True)
class TrainingJob:
    """A training: network, data, recipe and output folder.

    Attributes:
        folder: where weights, state and metrics are written.
        description: written into the weights: architecture, form, input, …
        is_resumed: resume from the state in `folder`, if there is one.
        method: loss, and what is kept; None trains with the labels and keeps the network's weights.
    """

    network: nn.Module
    recipe: Recipe
    dataset: Dataset
    folder: Path
    description: Mapping[str, Any]
    is_resumed: bool = False
    method: Method | None = None


def train(job: TrainingJob, observer: Observer) -> list[Epoch]:
    """Train the network as the recipe says; every epoch ends with a checkpoint on disk.

    Returns:
        The epochs, those before a resume included.

    Raises:
        LossDiverged: the loss is not finite; the checkpoint of the last good epoch stays.
        ResumeRefused: the state on disk is of another training.
        CheckpointUnreadable: the state on disk is damaged.
        DataUnreadable: fewer images in a batch than processes.
    """
    torch.set_num_threads(job.recipe.threads)
    with group() as processes:
        return _Loop(job, observer, processes).run()


class _Loop:
    def __init__(self, job: TrainingJob, observer: Observer, processes: ProcessGroup) -> None:
        self.job, self.observer, self.processes = job, observer, processes
        self.recipe, self.device = job.recipe, own_device()
        self.method: Method = job.method or Supervised(job.recipe)
        if self.device.type == "cuda" and not self.method.is_mixed:
            torch.backends.cudnn.allow_tf32 = False  # it would round values to 10 bits
        height, width = job.description["input"][1:]
        self.batches = Batches(job.recipe, job.dataset, (height, width), processes)
        # Images lie in memory channels last; convolutions that read them so need no copy. The stub
        # of `to` does not know the argument.
        self.network = job.network.to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        _set_dropout(self.network, job.recipe)
        self.shared = share(self.network, processes)
        self.optimiser = make_optimiser(self.network, job.recipe)
        self.average = Average(self.network, job.recipe.ema) if job.recipe.ema else None
        self.history: list[Epoch] = []

    def run(self) -> list[Epoch]:
        if self.job.is_resumed and (self.job.folder / STATE).exists():
            self._resume()
        for epoch in range(len(self.history), self.recipe.epochs):
            row = self._epoch(epoch)
            self.history.append(row)
            if self.processes.is_first:
                self._write()
                self.observer.epoch(row)
            self.processes.wait()
        return self.history

    def _epoch(self, epoch: int) -> Epoch:
        steps = self.batches.steps
        began = time.perf_counter()
        # Dropout draws from PyTorch's own generator; no two processes draw the same.
        torch.manual_seed(seed_of(self.recipe.seed, epoch, self.processes.rank))
        self.shared.train()
        loss = right = 0.0
        for step, batch in enumerate(self.batches.epoch(epoch, self.device)):
            rate = learning_rate(self.recipe, epoch * steps + step, steps)
            batch_loss, hits = self._step(batch, rate)
            if not math.isfinite(batch_loss):
                raise self._diverged(f"the loss became {batch_loss} in epoch {epoch + 1}")
            loss, right = loss + batch_loss, right + hits
            if self.average is not None:
                self.average.update(self.network, epoch * steps + step)
            seen = (step + 1) * self.batches.size
            speed = seen / (time.perf_counter() - began)
            self.observer.step(
                epoch + 1, (step + 1) / steps, loss / (step + 1), right / seen, speed
            )
        test_loss, test_right = self._test()
        if not math.isfinite(test_loss):
            raise self._diverged(f"the loss on test images is {test_loss} in epoch {epoch + 1}")
        return Epoch(
            epoch=epoch + 1,
            loss=loss / steps,
            accuracy=right / (steps * self.batches.size),
            test_loss=test_loss,
            test_accuracy=test_right / len(self.job.dataset.test),
            learning_rate=rate,
            images_per_s=speed,
            seconds=time.perf_counter() - began,
        )

    def _step(self, batch: Batch, rate: float) -> tuple[float, float]:
        """Mean loss and images classified rightly, over all processes: all stop at the same NaN."""
        for parameters in self.optimiser.param_groups:
            parameters["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        is_mixed = self.method.is_mixed and self.device.type == "cuda"
        with torch.autocast("cuda", torch.bfloat16, enabled=is_mixed):
            outputs = self.shared(batch.x)
            loss = self.method.loss(outputs, batch)
        torch.autograd.backward(loss)
        if self.recipe.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.optimiser.step()
        logits = outputs[0] if isinstance(outputs, tuple) else outputs
        right = (logits.argmax(1) == batch.target).sum()
        total, hits = self.processes.total(float(loss.detach()), float(right))
        return total / self.processes.size, hits

    def _test(self) -> tuple[float, int]:
        with self._kept_weights():
            augmenter = self.batches.augmenter
            return evaluate(self.network, self.job.dataset.test, augmenter, self.processes)

    @contextlib.contextmanager
    def _kept_weights(self) -> Iterator[None]:
        """The network with the weights that are kept: the averaged ones where there are some."""
        if self.average is None:
            yield
            return
        own = {key: value.clone() for key, value in self.network.state_dict().items()}
        self.network.load_state_dict(self.average.weights)
        try:
            yield
        finally:
            self.network.load_state_dict(own)

    def _write(self) -> None:
        folder, last, images = self.job.folder, self.history[-1], len(self.job.dataset.test)
        result = {
            "recipe": self.recipe.to_json(),
            "epoch": last.epoch,
            "test": {"images": images, "right": round(last.test_accuracy * images)},
        }
        with self._kept_weights():
            kept, own = self.method.kept(self.network)
            write_tensors(folder / WEIGHTS, kept, {**self.job.description, **result, **own})
        write_state(folder / STATE, self._state())
        write_csv(self.history, folder / METRICS)

    def _state(self) -> TrainingState:
        return TrainingState(
            network=self.network.state_dict(),
            average=self.average.weights if self.average else {},
            optimiser=optimiser_tensors(self.optimiser),
            description=self.job.description,
            recipe=self.recipe,
            data=summarise_labels(self.job.dataset),
            processes=self.processes.size,
            history=self.history,
        )

    def _resume(self) -> None:
        path = self.job.folder / STATE
        kept, own = read_state(path), self._state()
        differences = kept.differences(own)
        if differences:
            raise ResumeRefused(
                f"{path} is of another training: {'; '.join(differences)} (there against here); "
                "say the same again, or choose another folder with --output"
            )
        copy_tensors(own.network, kept.network, path)
        copy_tensors(own.average, kept.average, path)
        restore_optimiser(self.optimiser, kept.optimiser, path)
        self.history = list(kept.history)

    def _diverged(self, what: str) -> LossDiverged:
        kept = self.job.folder / WEIGHTS
        where = (
            f"{kept} holds the last good epoch, {self.history[-1].epoch}"
            if self.history
            else "no epoch was finished"
        )
        rate = self.recipe.learning_rate
        return LossDiverged(
            f"{what}; {where}. Try a lower --learning-rate than {rate:g}, or --clip 5"
        )


def _set_dropout(network: nn.Module, recipe: Recipe) -> None:
    for layer in network.modules():
        if isinstance(layer, nn.Dropout) and recipe.dropout is not None:
            layer.p = recipe.dropout
