"""State of a learning after any of its steps: all that the next one depends on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgecnn_runtime.arrays import Array

Tensors = Mapping[str, Array]
Stop = Literal["", "epochs", "patience", "diverged"]


@dataclass(frozen=True)
class LearntEpoch:
    """One epoch.

    Attributes:
        epoch: counted from 1; 0 is before the first.
        loss: mean over the steps of the epoch; None of epoch 0, which has none.
        held_out_loss: mean over the held-out images, with the weights after the epoch.
        held_out_right: held-out images whose class is right.
        seconds: of the steps, judging left out.
    """

    epoch: int
    loss: float | None
    held_out_loss: float
    held_out_right: int
    seconds: float

    def is_better(self, other: LearntEpoch) -> bool:
        """Whether more held-out images are right, or as many at a lower loss."""
        return (self.held_out_right, -self.held_out_loss) > (
            other.held_out_right,
            -other.held_out_loss,
        )


@dataclass(frozen=True)
class LearningState:
    """State of a learning.

    Attributes:
        current: parameters, statistics and state of the optimiser.
        best: those after the best epoch.
        history: the epochs so far; the first is epoch 0.
        best_epoch: of those, by the held-out images.
        batch: steps done of the epoch that follows.
        loss_sum: of these steps' losses.
        steps: all that were done.
        seconds: of these, and since the last epoch ended.
        stop: why it is finished; empty while it is not.
    """

    current: Tensors
    best: Tensors
    history: tuple[LearntEpoch, ...]
    best_epoch: int = 0
    batch: int = 0
    loss_sum: float = 0.0
    steps: int = 0
    seconds: float = 0.0
    stop: Stop = ""

    @property
    def epochs(self) -> int:
        """Epochs that are done."""
        return self.history[-1].epoch
