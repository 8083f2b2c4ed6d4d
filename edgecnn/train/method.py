"""Training methods: what a training minimises, and what it keeps of the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import nn

from edgecnn.train.batches import Batch
from edgecnn.train.recipe import Recipe

# Szegedy et al. 2015, section 5: an auxiliary classifier's loss counts so much.
AUXILIARY_WEIGHT = 0.3

Tensors = Mapping[str, torch.Tensor]


class Method(Protocol):
    """A training method."""

    @property
    def is_mixed(self) -> bool:
        """Whether a GPU may compute in fewer bits than float32."""
        ...

    def loss(self, outputs: torch.Tensor | tuple[torch.Tensor, ...], batch: Batch) -> torch.Tensor:
        """The loss of a batch. Of several outputs the first are the logits."""
        ...

    def kept(self, network: nn.Module) -> tuple[Tensors, Mapping[str, Any]]:
        """The tensors of the checkpoint, and what its description says of them."""
        ...


class Supervised:
    """Cross-entropy with the labels; the network's own weights are kept."""

    is_mixed = True

    def __init__(self, recipe: Recipe) -> None:
        self.smoothing = recipe.label_smoothing

    def loss(self, outputs: torch.Tensor | tuple[torch.Tensor, ...], batch: Batch) -> torch.Tensor:
        """Cross-entropy of the logits, and some of that of auxiliary classifiers."""
        logits, *auxiliaries = outputs if isinstance(outputs, tuple) else (outputs,)
        loss = self._cross_entropy(logits, batch)
        for auxiliary in auxiliaries:
            loss = loss + AUXILIARY_WEIGHT * self._cross_entropy(auxiliary, batch)
        return loss

    def kept(self, network: nn.Module) -> tuple[Tensors, Mapping[str, Any]]:
        return network.state_dict(), {}

    def _cross_entropy(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        loss = nn.functional.cross_entropy(logits, batch.target, label_smoothing=self.smoothing)
        if batch.mix < 1:
            other = nn.functional.cross_entropy(logits, batch.mixed, label_smoothing=self.smoothing)
            loss = batch.mix * loss + (1 - batch.mix) * other
        return loss
