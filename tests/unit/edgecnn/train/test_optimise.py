"""Learning rates computed by hand, steps of the optimisers, and the average's formula."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from edgecnn.train.optimise import Average, learning_rate, make_optimiser
from edgecnn.train.recipe import Recipe

COSINE = Recipe(epochs=4, learning_rate=0.1, schedule="cosine", warmup_epochs=1)
ONE_CYCLE = Recipe(epochs=4, learning_rate=0.1, schedule="one-cycle")
CONSTANT = Recipe(epochs=4, learning_rate=0.1, schedule="constant")


@pytest.mark.parametrize(
    ("recipe", "step", "rate"),
    [
        # 10 steps warm up in equal parts, 30 fall: half at the 15th of them.
        (COSINE, 0, 0.01),
        (COSINE, 4, 0.05),
        (COSINE, 9, 0.1),
        (COSINE, 10, 0.1),
        (COSINE, 25, 0.05),
        (COSINE, 39, 2.7390523e-4),  # 0.1 (1 + cos(29 π / 30)) / 2
        # 12 steps rise from 0.1 / 25, half way at the 6th; 28 fall.
        (ONE_CYCLE, 0, 0.004),
        (ONE_CYCLE, 6, 0.052),
        (ONE_CYCLE, 12, 0.1),
        (ONE_CYCLE, 26, 0.05),
        (ONE_CYCLE, 39, 3.1438951e-4),  # 0.1 (1 + cos(27 π / 28)) / 2
        (CONSTANT, 0, 0.1),
        (CONSTANT, 39, 0.1),
    ],
)
def test_the_learning_rate_is_that_computed_by_hand(recipe: Recipe, step: int, rate: float) -> None:
    assert learning_rate(recipe, step, 10) == pytest.approx(rate, rel=1e-7)


def test_half_an_epoch_of_warm_up_is_half_its_steps() -> None:
    recipe = Recipe(epochs=1, learning_rate=0.1, warmup_epochs=0.5)
    rates = [learning_rate(recipe, step, 8) for step in range(8)]
    assert rates[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert rates[4] == pytest.approx(0.1)
    assert rates[6] == pytest.approx(0.05)


def test_without_warm_up_the_first_rate_is_the_highest() -> None:
    recipe = Recipe(epochs=1, learning_rate=0.1, warmup_epochs=0)
    assert learning_rate(recipe, 0, 8) == pytest.approx(0.1)


@pytest.mark.parametrize("schedule", ["cosine", "one-cycle", "constant"])
def test_a_training_of_a_single_step_has_a_rate(schedule: str) -> None:
    recipe = Recipe(epochs=1, learning_rate=0.1, schedule=schedule)  # type: ignore[arg-type]
    assert 0 < learning_rate(recipe, 0, 1) <= 0.1


def small_network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_biases_and_batch_norm_are_not_decayed(name: str) -> None:
    network = small_network()
    before = {key: value.detach().clone() for key, value in network.named_parameters()}
    recipe = Recipe(optimiser=name, learning_rate=0.5, momentum=0, weight_decay=0.1)  # type: ignore[arg-type]
    optimiser = make_optimiser(network, recipe)
    for parameter in network.parameters():
        if parameter.ndim == 1:
            nn.init.ones_(parameter)
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    for key, value in network.named_parameters():
        # A step without gradients leaves 1 - 0.5 · 0.1 of what is decayed.
        is_decayed = key in ("0.weight", "3.weight")
        expected = 0.95 * before[key] if is_decayed else torch.ones_like(value)
        torch.testing.assert_close(value.detach(), expected)


def test_sgd_takes_nesterovs_steps() -> None:
    """Gradients of 1, momentum 0.9: steps of 1 + 0.9 · 1, then 1 + 0.9 · 1.9."""
    layer = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(layer.weight)
    recipe = Recipe(learning_rate=0.1, momentum=0.9, weight_decay=0)
    optimiser = make_optimiser(layer, recipe)
    for expected in (-0.19, -0.461):
        layer.weight.grad = torch.ones(1, 1)
        optimiser.step()
        assert layer.weight.item() == pytest.approx(expected)


def test_frozen_weights_are_left_alone() -> None:
    network = small_network()
    network[0].requires_grad_(False)
    optimiser = make_optimiser(network, Recipe())
    held = {id(p) for group in optimiser.param_groups for p in group["params"]}
    assert held == {id(p) for layer in (network[1], network[3]) for p in layer.parameters()}


def test_the_average_is_the_weighted_sum_of_all_that_it_saw() -> None:
    """Σₛ (1 - dₛ) Πₜ﹥ₛ dₜ wₛ, and Πₜ dₜ of the start; dₛ = min(d, (1 + s) / (10 + s))."""
    layer = nn.Linear(1, 1, bias=False)
    values = [5.0, 2.0, -1.0, 4.0, 3.0]
    nn.init.constant_(layer.weight, values[0])
    average = Average(layer, 0.25)
    for step, value in enumerate(values[1:]):
        nn.init.constant_(layer.weight, value)
        average.update(layer, step)
    decays = [1 / 10, 2 / 11, 3 / 12, 1 / 4]
    expected = values[0] * math.prod(decays) + sum(
        (1 - decays[step]) * math.prod(decays[step + 1 :]) * values[step + 1] for step in range(4)
    )
    assert average.weights["weight"].item() == pytest.approx(expected, rel=1e-6)
    assert layer.weight.item() == 3.0


def test_the_average_covers_the_statistics_of_batch_norm_and_copies_its_count() -> None:
    norm = nn.BatchNorm2d(1)
    average = Average(norm, 0.5)
    assert norm.running_mean is not None
    assert norm.num_batches_tracked is not None
    norm.running_mean.fill_(8)
    norm.num_batches_tracked.fill_(3)
    average.update(norm, 1000)
    assert average.weights["running_mean"].item() == 4
    assert average.weights["num_batches_tracked"].item() == 3
