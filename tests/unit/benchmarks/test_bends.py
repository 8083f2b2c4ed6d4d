"""Gradients with activations held on the sides of a bend on which a run in float32 has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.training.agreement import Errors
from benchmarks.training.bends import ONEDNN, OURS, PLAIN, Compared, held_agreement
from benchmarks.training.sides import Watched, sides_of

F = torch.nn.functional


@pytest.mark.parametrize(
    ("activation", "x", "elsewhere", "slope"),
    [
        (F.relu, 1e-7, 0, 0.0),
        (F.relu, -1e-7, 1, 1.0),
        (F.hardtanh, 6.0000001, 1, 1.0),
        (F.hardswish, 2.9999999, 2, 1.0),
        (F.hardswish, 2.9999999, 1, 1.5),
        (F.hardsigmoid, -3.0000001, 1, 1 / 6),
    ],
)
def test_an_activation_has_the_slope_of_the_side_on_which_it_is_held(
    activation: object, x: float, elsewhere: int, slope: float
) -> None:
    module = {
        F.relu: torch.nn.ReLU(),
        F.hardtanh: torch.nn.ReLU6(),
        F.hardswish: torch.nn.Hardswish(),
        F.hardsigmoid: torch.nn.Hardsigmoid(),
    }[activation]
    value = torch.tensor([x], dtype=torch.float64, requires_grad=True)
    with Watched([np.array([elsewhere], np.uint8)]) as watched:
        module(value).backward()
    assert value.grad is not None
    assert value.grad.item() == pytest.approx(slope, abs=1e-6)
    assert [each.tolist() for each in watched.read] == [[x]]


def test_sides_count_the_bends_below_a_value() -> None:
    (side,) = sides_of([F.hardtanh], [np.array([-1.0, 0.0, 3.0, 6.0, 7.0])])
    assert side.tolist() == [0, 0, 1, 1, 2]


def test_pytorchs_error_is_the_larger_of_its_two_in_each_batch() -> None:
    def run(*errors: float) -> list[Compared]:
        loss = Errors((0.5,), (0.0,), 2.0)
        return [Compared(0.0, 0, loss, 0.0, 0.0, {"w": (error, 1.0)}) for error in errors]

    found = held_agreement({OURS: run(4e-4, 9e-4), ONEDNN: run(1e-4, 3e-4), PLAIN: run(2e-4, 1e-4)})
    assert found.gradients["w"].theirs == (2e-4, 3e-4)
    assert found.worst_gradient() == ("w", pytest.approx(2.0))
