"""A network that does not agree with itself is named so before anything else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from edgecnn_exporters.capture.repeatable import check_repeatable
from edgecnn_exporters.errors import CaptureFailed

FIRST, SECOND = np.random.default_rng(0).standard_normal((2, 1, 3, 8, 8)).astype(np.float32)


class Dropping(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.dropout(x, 0.5)


class Counting(nn.Module):
    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x * (self.calls % 2)


class Remembering(nn.Module):
    """Its answer to an input depends on the one before, and settles when that is the same."""

    last: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before, self.last = self.last, x.clone()
        return x if before is None else (x + before) / 2


class Caching(nn.Module):
    """State that changes no answer."""

    grid: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.grid is None:
            self.grid = torch.arange(8.0)
        return x + self.grid


def check(network: nn.Module) -> None:
    check_repeatable(network.eval(), FIRST, SECOND)


def test_random_numbers_are_named() -> None:
    with pytest.raises(CaptureFailed, match=r"does not agree with itself.*draws random numbers"):
        check(nn.Sequential(nn.Conv2d(3, 4, 3), Dropping()))


@pytest.mark.parametrize(("network", "name"), [(Counting(), "calls"), (Remembering(), "last")])
def test_state_is_named(network: nn.Module, name: str) -> None:
    with pytest.raises(CaptureFailed, match=rf"keeps state from run to run \({name}\)"):
        check(network)


def test_a_cache_is_no_fault() -> None:
    check(Caching())


def test_a_network_that_works_on_its_input_is_no_fault_and_leaves_ours_alone() -> None:
    class InPlace(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sub_(1.0)

    before = FIRST.copy()
    check(InPlace())
    assert np.array_equal(FIRST, before)


def test_the_random_numbers_of_the_caller_go_on_as_they_would() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    check(nn.Identity())
    assert torch.equal(torch.rand(3), expected)
