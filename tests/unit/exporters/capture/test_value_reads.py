"""Where a forward takes values of its input out of PyTorch, and where it only looks at shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from edgecnn_exporters.capture.value_reads import ARRAY, BRANCH, NUMBER, value_reads

FEED = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)
Function = Callable[[torch.Tensor], torch.Tensor]


class Net(nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


def reads(function: Function) -> list[str]:
    return [read.what for read in value_reads(Net(function), FEED)]


def rebuilt(x: torch.Tensor) -> torch.Tensor:
    buffer = torch.zeros(2, 8)
    buffer[:, 0] = x.mean((1, 2, 3))
    return x if buffer.sum() > 0 else -x


def looped(x: torch.Tensor) -> torch.Tensor:
    while x.abs().max() > 1:
        x = x / 2
    return x


READING: dict[str, tuple[Function, str]] = {
    "a branch": (lambda x: x if x.mean() > 0 else -x, BRANCH),
    "a branch on numbers written into zeros": (rebuilt, BRANCH),
    "a loop": (looped, BRANCH),
    "any": (lambda x: x if any(row > 0 for row in x.mean((1, 2, 3))) else -x, BRANCH),
    "max of Python": (lambda x: x * max(x.mean(), x.sum()), BRANCH),
    "torch.equal": (lambda x: x if torch.equal(x, x * 1) else -x, BRANCH),
    "item": (lambda x: x * x.mean().item(), NUMBER),
    "float of what is detached": (lambda x: x * float(x.detach().max()), NUMBER),
    "an index into a list": (lambda x: x * [1, 2][x.mean().abs().clamp(0, 1).long()], NUMBER),
    "tolist": (lambda x: x * x.mean((1, 2, 3)).tolist()[0], NUMBER),
    "numpy": (lambda x: x * torch.from_numpy(x.numpy()), ARRAY),
    "np.asarray": (lambda x: x * float(np.asarray(x).mean()), ARRAY),
    "new_tensor": (lambda x: x * x.new_tensor(x.mean()), ARRAY),
}


@pytest.mark.parametrize("name", READING)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_value_that_leaves_is_found_with_its_line(name: str) -> None:
    function, what = READING[name]
    (read, *_) = value_reads(Net(function), FEED)
    assert read.what == what
    assert "test_value_reads.py:" in str(read.line)


def checked(x: torch.Tensor) -> torch.Tensor:
    assert (x < 1e9).all()
    torch._assert((x > -1e9).all(), "too small")
    if torch.isnan(x).any():
        message = "not a number"
        raise ValueError(message)
    return x


def padded(x: torch.Tensor) -> torch.Tensor:
    height, width = x.shape[2:]
    missing = (5 - height % 5) % 5
    return functional.pad(x, (0, missing, 0, missing)) if missing > 0 else x[..., :width]


def windows(x: torch.Tensor) -> torch.Tensor:
    batch, channels, height, width = x.shape
    parts = x.view(batch, channels, height // 4, 4, width // 4, 4).permute(0, 2, 4, 3, 5, 1)
    return parts.reshape(int(batch * height * width / 16), 4, 4, channels)


PARAMETER = nn.Parameter(torch.tensor(2.0))
STATIC: dict[str, Function] = {
    "a branch on the size": lambda x: x * 2 if x.shape[2] > 10 else x,
    "int of a size": lambda x: x.reshape(int(x.size(0)), -1),
    "padding from the size": padded,
    "windows": windows,
    "interpolation to a size": lambda x: functional.interpolate(x, size=(x.shape[2] * 2, 12)),
    "interpolation by a factor": lambda x: functional.interpolate(
        x, scale_factor=1.5, recompute_scale_factor=True
    ),
    "an adaptive pool": lambda x: functional.adaptive_avg_pool2d(x, (5, 7)),
    "a parameter's number": lambda x: x / PARAMETER.item() if PARAMETER > 0 else x,
    "numbers of its own": lambda x: torch.stack([x * float(f) for f in torch.linspace(0, 1, 3)]),
    "zeros of its shape": lambda x: x if torch.zeros_like(x).sum() > 0 else -x,
    "iteration over the batch": lambda x: torch.stack([row * 2 for row in x]),
    "checks": checked,
    "a mask": lambda x: x.masked_fill(x > 0, 0.0) + x[x > 0].sum(),
    "a chosen channel": lambda x: x[:, x.mean((0, 2, 3)).argmax()],
    "a printed value": lambda x: x + len(f"{x.mean()}") * 0,
}


@pytest.mark.parametrize("name", STATIC)
def test_what_comes_from_shapes_and_weights_is_no_read(name: str) -> None:
    assert reads(STATIC[name]) == []


def test_a_size_that_depends_on_values_is_marked() -> None:
    def some(x: torch.Tensor) -> torch.Tensor:
        places = (x > 0).nonzero()
        return x if places.shape[0] > 5 else -x

    (read,) = value_reads(Net(some), FEED)
    assert read.is_size
