"""Options of ``--learn`` to the compiler's request of a training graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgecnn.errors import ModelUnusable
from edgecnn_runtime.training import Loss, Normalisation, Optimiser

if TYPE_CHECKING:
    from edgecnn_exporters.gradient.training_graph import MemoryLimit, TrainingRequest

DEFAULT_RATES: Mapping[Optimiser, float] = {"adam": 1e-3, "sgd": 1e-2}
ALL = "all"
# Images of a step whose memory is limited.
STEP_BATCH = 16


@dataclass(frozen=True)
class LearnOptions:
    """Options of the training graph.

    Attributes:
        learn: head, last:N, all, or names of parameters with commas between.
        normalisation: of batch normalisation; None: of each batch for all, else frozen.
        smoothing: of the labels.
        memory_mb: that a step may take, 10^6 bytes; None: as much as it needs.
        memory_batch: images of that step; None: the fixed batch, or `STEP_BATCH`.
    """

    learn: str
    loss: Loss = "cross_entropy"
    optimiser: Optimiser = "adam"
    learning_rate: float = DEFAULT_RATES["adam"]
    momentum: float = 0.0
    weight_decay: float = 0.0
    normalisation: Normalisation | None = None
    smoothing: float = 0.0
    memory_mb: float | None = None
    memory_batch: int | None = None


def check_learning(options: LearnOptions, batch: int | None) -> None:
    """Check the options against the batch, without torch.

    Args:
        batch: fixed size, or None for a dynamic one.

    Raises:
        ModelUnusable: statistics of a batch of one image; memory of another than the fixed batch.
    """
    if None not in (batch, options.memory_batch) and batch != options.memory_batch:
        raise ModelUnusable(
            f"--learn-batch {options.memory_batch} is another than the fixed --batch {batch}; "
            "leave one of them out"
        )
    if options.normalisation == "batch" and batch == 1:
        raise ModelUnusable(
            "--learn-norm batch takes statistics of several images, and --batch 1 gives one; leave "
            "--batch out, or say --learn-norm frozen"
        )


def learn_words(options: LearnOptions | None) -> str:
    """The training graph in words, for a plan."""
    if options is None:
        return "no; --learn head lets a device learn the last layer"
    rate = f"learning rate {options.learning_rate:g}"
    return f"{options.learn}, {options.loss}, {options.optimiser}, {rate}"


def training_request(options: LearnOptions | None, batch: int | None) -> TrainingRequest | None:
    """The compiler's request; None where nothing is to be learnt.

    Args:
        batch: fixed size, or None for a dynamic one.
    """
    if options is None:
        return None
    from edgecnn_exporters.gradient.optimisers import OptimiserConfig
    from edgecnn_exporters.gradient.training_graph import TrainingRequest

    optimiser = OptimiserConfig(
        options.optimiser, options.learning_rate, options.momentum, options.weight_decay
    )
    return TrainingRequest(
        options.learn,
        options.loss,
        optimiser,
        options.smoothing,
        normalisation_of(options, batch),
        _memory(options, batch),
    )


def _memory(options: LearnOptions, batch: int | None) -> MemoryLimit | None:
    if options.memory_mb is None:
        return None
    from edgecnn_exporters.gradient.training_graph import MemoryLimit

    return MemoryLimit(options.memory_mb, batch or options.memory_batch or STEP_BATCH)


def normalisation_of(options: LearnOptions, batch: int | None) -> Normalisation:
    """Statistics of batch normalisation: as stated, else of each batch where all is learnt.

    One image has no statistics: with a fixed batch of it they stay as they are.
    """
    if options.normalisation is not None:
        return options.normalisation
    return "batch" if options.learn == ALL and batch != 1 else "frozen"
