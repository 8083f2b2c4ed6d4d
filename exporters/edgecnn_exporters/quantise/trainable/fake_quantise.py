"""Fake quantisation with gradients: rounding in the forward pass, passed straight through behind.

The step size of an encoding is learnt as in Esser et al. 2020, "Learned Step Size Quantization"
(LSQ), section 2.1. Zero points stay as they are: zero is an integer before and after.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import torch
from torch import nn

from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.encoding import INT32, LEVELS, Encoding, Range

Tensor = torch.Tensor
# What `bounds` gives where a Relu or a Clip has no upper end.
UNLIMITED = float(np.finfo(np.float32).max)
# Values whose gradients are computed together on a CPU: what lies between stays in its cache.
TOGETHER = 2**16


class LearnedScale(nn.Module):
    """A scale that is learnt: ``initial · exp(change)``, positive whatever the step of a gradient.

    Until it is trained it is the initial one, bit for bit. Optimisers such as Adam move every
    parameter by about the learning rate: of a logarithm that is the same share of every scale.
    """

    initial: Tensor
    largest: Tensor

    def __init__(
        self, initial: float | Float32, largest: float = float("inf"), *, is_fixed: bool = False
    ) -> None:
        """Begin with `initial`, () or (channels,); never beyond `largest`."""
        super().__init__()
        self.register_buffer("initial", torch.tensor(np.asarray(initial, np.float32)))
        # Not of the state: an average of infinite bounds is none.
        bound = torch.tensor(largest, dtype=torch.float32)
        self.register_buffer("largest", bound, persistent=False)
        self.change = nn.Parameter(torch.zeros_like(self.initial), requires_grad=not is_fixed)

    def forward(self) -> Tensor:
        """The scale, of the initial one's shape."""
        return _at_most(self.initial * self.change.exp(), self.largest)


def largest_scale(encoding: Encoding, limit: Range | None) -> float:
    """The largest scale at which neither end of an encoding lies further beyond its limit.

    `encode` puts the lower end within half a step of its limit, and the upper one never above it.
    """
    largest = float("inf")
    if limit is None or not limit.low <= 0.0 <= limit.high:
        return largest
    steps = LEVELS - encoding.zero_point
    if 0.0 < limit.high < UNLIMITED and steps > 0:
        scale = np.float32(limit.high / steps)
        while scale * np.float32(steps) > limit.high:
            scale = np.nextafter(scale, np.float32(0))
        largest = float(scale)
    if encoding.zero_point > 0:
        largest = min(largest, -limit.low / encoding.zero_point)
    return max(largest, encoding.scale)


def fake_quantise(x: Tensor, scale: Tensor, low: int, high: int, axis: int = 0) -> Tensor:
    """``s · clip(round(x / s), low, high)``, with LSQ's gradients.

    With v = x/s, the gradient of the result is 1 for x and ``round(v) - v`` for s between the ends,
    and 0 and the nearer end beyond them (equations 3 and 5). That of s is divided by
    ``sqrt(n · (high - low))``, n the number of values that share it in one sample (section 2.2).

    Args:
        scale: () or (channels,) along `axis`.
        low, high: least and greatest integer, zero point taken off.
    """
    if scale.ndim:
        scale = scale.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
        count = x.numel() // scale.numel()
    else:
        count = x[:1].numel()
    factor = 1 / sqrt(max(1, count) * (high - low))
    rounded: Tensor = _FakeQuantise.apply(x, scale, low, high, factor)  # type: ignore[no-untyped-call]  # torch's omission
    return rounded


def fake_quantise_bias(bias: Tensor, scale: Tensor) -> Tensor:
    """A bias as int32 in units of `scale`, () or (channels,); its gradient passes straight through.

    The scale follows from those of input and weight, and gets no gradient here: a bias is rounded
    to a fraction of what one step of a weight is worth.
    """
    with torch.no_grad():
        sums = torch.round(bias.double() / scale.double()).clamp(INT32.min, INT32.max)
        rounded = sums.float() * scale
    return straight_through(bias, rounded)


def straight_through(value: Tensor, replacement: Tensor) -> Tensor:
    """`replacement` in the forward pass; its gradient is that of `value`."""
    replaced: Tensor = _StraightThrough.apply(value, replacement)  # type: ignore[no-untyped-call]  # torch's omission
    return replaced


def _at_most(value: Tensor, largest: Tensor) -> Tensor:
    bounded: Tensor = _AtMost.apply(value, largest)  # type: ignore[no-untyped-call]  # torch's omission
    return bounded


class _FakeQuantise(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, x: Tensor, scale: Tensor, low: int, high: int, factor: float
    ) -> Tensor:
        context.save_for_backward(x, scale)
        context.ends, context.factor = (low, high), factor
        return (x / scale).round_().clamp_(low, high).mul_(scale)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, scale = context.saved_tensors
        of_x, of_scale = torch.empty_like(x), torch.zeros_like(scale)
        rows = len(x)
        if scale.numel() == 1 and x.device.type == "cpu":
            rows = max(1, TOGETHER * rows // x.numel())
        parts = (each.split(rows) for each in (x, gradient, of_x))
        for part, sent, out in zip(*parts, strict=True):
            steps = part / scale
            clipped = steps.clamp(*context.ends)
            # As floats: on a CPU a mask of booleans takes ten times as long.
            inside = torch.eq(clipped, steps, out=steps)
            torch.mul(sent, inside, out=out)
            slope = torch.round(clipped).sub_(clipped.mul_(inside)).mul_(sent)
            of_scale += slope.sum_to_size(scale.shape)
        of_scale *= context.factor
        return of_x, of_scale, None, None, None


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, value: Tensor, replacement: Tensor) -> Tensor:
        return replacement.view_as(replacement)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class _AtMost(torch.autograd.Function):
    """The smaller of two; where it is the bound, a gradient that leads inside still passes."""

    @staticmethod
    def forward(context: Any, value: Tensor, largest: Tensor) -> Tensor:
        context.save_for_backward(value, largest)
        return torch.minimum(value, largest)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        value, largest = context.saved_tensors
        return gradient * ((value <= largest) | (gradient > 0)), None
