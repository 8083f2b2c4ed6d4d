"""Optimiser, learning rate and averaged weights."""

from __future__ import annotations

import math

import torch
from torch import nn

from edgecnn.train.recipe import Recipe

# Smith and Topin 2019: the rate rises over this share of the steps, from 1/25 of the highest.
RISE, START = 0.3, 1 / 25


def make_optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """SGD with Nesterov's momentum, or AdamW; biases and BatchNorm's are not decayed."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.learning_rate)
    return torch.optim.SGD(
        groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0
    )


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The rate of step `step`, counted from 0 over all epochs."""
    total = recipe.epochs * steps_per_epoch
    if recipe.schedule == "constant":
        return recipe.learning_rate
    if recipe.schedule == "one-cycle":
        rise = max(1, round(RISE * total))
        if step < rise:
            share = START + (1 - START) * _ease(step / rise)
        else:
            share = 1 - _ease((step - rise) / max(1, total - rise))
        return recipe.learning_rate * share
    warm = round(recipe.warmup_epochs * steps_per_epoch)
    if step < warm:
        return recipe.learning_rate * (step + 1) / warm
    return recipe.learning_rate * (1 - _ease((step - warm) / max(1, total - warm)))


def _ease(share: float) -> float:
    """Half a cosine from 0 to 1."""
    return (1 - math.cos(math.pi * share)) / 2


class Average:
    """Exponential moving average of a network's weights and BatchNorm statistics.

    Polyak and Juditsky 1992; the decay warms up as in TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network's weights after step `step`, counted from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                self.weights[key].lerp_(value, 1 - decay)
            else:
                self.weights[key].copy_(value)
