from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
import torch

from edgecnn_exporters.quantise.trainable.fake_quantise import (
    LearnedScale,
    fake_quantise,
    fake_quantise_bias,
    largest_scale,
)
from edgecnn_runtime.encoding import Encoding, Range, encode, quantise_bias

RANDOM = np.random.default_rng(0)


def test_values_are_rounded_and_saturated_as_the_encoding_does() -> None:
    encoding = encode(Range(-0.7, 1.9))
    x = RANDOM.uniform(-1, 2.2, 1000).astype(np.float32)
    zero = encoding.zero_point
    found = fake_quantise(torch.from_numpy(x), torch.tensor(encoding.scale), -zero, 255 - zero)
    expected = encoding.dequantise(encoding.quantise(x))
    np.testing.assert_array_equal(found.numpy(), expected)


def test_the_gradient_of_a_step_size_is_that_of_the_paper() -> None:
    """Equation 3: -v/s + round(v/s) between the ends, the end beyond; 1/sqrt(n Q) of it."""
    x = torch.tensor([[-3.0, -0.26, 0.1, 0.7, 9.0]], requires_grad=True)
    scale = torch.tensor(0.5, requires_grad=True)
    weights = torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]])
    (fake_quantise(x, scale, -4, 6) * weights).sum().backward()
    # -6 is below -4 · -0.52 → -1 · 0.2 → 0 · 1.4 → 1 · 18 is above 6
    slopes = np.array([-4, -1 + 0.52, 0 - 0.2, 1 - 1.4, 6])
    expected = (slopes * [1, 2, 3, 4, 5]).sum() / sqrt(5 * 10)
    assert scale.grad.item() == pytest.approx(expected, rel=1e-5)
    np.testing.assert_array_equal(x.grad, [[0, 2, 3, 4, 0]])


def test_beyond_the_ends_the_gradient_of_a_step_size_is_the_finite_difference() -> None:
    x, grow = torch.tensor([50.0, -50.0, 70.0]), 1e-2
    scale = torch.tensor(0.1, requires_grad=True)
    total = fake_quantise(x[None], scale, -100, 155).sum()
    total.backward()
    more = fake_quantise(x[None], torch.tensor(0.1 + grow), -100, 155).sum()
    slope = (more - total).item() / grow
    assert scale.grad.item() * sqrt(3 * 255) == pytest.approx(slope, rel=1e-3)


def test_every_channel_has_a_step_size_of_its_own() -> None:
    weight = torch.from_numpy(RANDOM.standard_normal((4, 3, 5)).astype(np.float32))
    scale = torch.full((3,), 0.02, requires_grad=True)
    fake_quantise(weight, scale, -127, 127, axis=1)[:, 1].sum().backward()
    assert scale.grad[1] != 0
    assert scale.grad[0] == scale.grad[2] == 0


def test_a_bias_is_rounded_to_units_of_the_accumulator_and_its_gradient_passes() -> None:
    bias = RANDOM.standard_normal(6).astype(np.float32)
    scale = np.float32(0.03) * RANDOM.uniform(0.1, 0.3, 6).astype(np.float32)
    given = torch.tensor(bias, requires_grad=True)
    found = fake_quantise_bias(given, torch.from_numpy(scale))
    sums, _ = quantise_bias(bias, 1.0, scale)
    np.testing.assert_array_equal(found.detach().numpy(), sums.astype(np.float32) * scale)
    (found * torch.arange(6)).sum().backward()
    np.testing.assert_array_equal(given.grad, range(6))


@pytest.mark.parametrize("limit", [Range(0, 6), Range(-1, 1), Range(0, 1), Range(-3, 0.5)])
def test_no_training_moves_an_encoding_further_beyond_its_clip(limit: Range) -> None:
    begin = encode(Range(limit.low / 2, limit.high / 2), limit)
    whole = encode(limit, limit)
    scale = LearnedScale(begin.scale, largest_scale(begin, limit))
    assert scale().item() == np.float32(begin.scale)
    with torch.no_grad():
        scale.change += 5
    grown = Encoding(scale().item(), begin.zero_point).range
    assert np.float32(grown.high) <= limit.high
    assert grown.low >= limit.low or grown.low >= min(whole.range.low, begin.range.low)
    assert grown.high - grown.low > 0.9 * (limit.high - limit.low)


def test_a_scale_at_its_bound_can_still_shrink() -> None:
    scale = LearnedScale(1.0, 1.0)
    with torch.no_grad():
        scale.change += 0.3
    scale().backward()
    assert scale.change.grad > 0
    scale.change.grad = None
    (-scale()).backward()
    assert scale.change.grad == 0


def test_where_nothing_clips_a_scale_has_no_bound() -> None:
    begin = encode(Range(-1, 1))
    assert largest_scale(begin, None) == np.inf
    assert largest_scale(encode(Range(0, 1)), Range(0, float(np.finfo(np.float32).max))) == np.inf
