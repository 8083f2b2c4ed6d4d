from __future__ import annotations

import numpy as np
import pytest
import torch

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.learn.fold import fold
from edgecnn_runtime.training import FoldedNorm


def drawn(shape: tuple[int, ...], channels: int, has_bias: bool) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    names = {"w": shape, "gamma": (channels,), "beta": (channels,), "mean": (channels,)}
    if has_bias:
        names["b"] = (channels,)
    values = {name: rng.normal(0, 1, each).astype(np.float32) for name, each in names.items()}
    return values | {"variance": rng.random(channels).astype(np.float32)}


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("is_transposed", [False, True])
def test_the_folded_convolution_is_convolution_and_norm(
    is_transposed: bool, has_bias: bool, groups: int
) -> None:
    kind = torch.nn.ConvTranspose2d if is_transposed else torch.nn.Conv2d
    convolution = kind(4, 6, 3, groups=groups, bias=has_bias)
    values = drawn(tuple(convolution.weight.shape), 6, has_bias)
    norm = FoldedNorm(
        "w", "b" if has_bias else None, "gamma", "beta", "mean", "variance", 1e-3,
        int(is_transposed), "folded.w", "folded.b",
    )  # fmt: skip
    folded = fold(norm, values)
    assert {each.dtype for each in folded.values()} == {np.dtype(np.float32)}
    tensors = {name: torch.from_numpy(array) for name, array in values.items()}
    image = torch.randn(2, 4, 7, 7, generator=torch.Generator().manual_seed(0))
    apply = torch.nn.functional.conv_transpose2d if is_transposed else torch.nn.functional.conv2d
    convolved = apply(image, tensors["w"], tensors.get("b"), groups=groups)
    expected = torch.nn.functional.batch_norm(
        convolved, tensors["mean"], tensors["variance"], tensors["gamma"], tensors["beta"],
        eps=1e-3,
    )  # fmt: skip
    weight, bias = (torch.from_numpy(folded[name]) for name in ("folded.w", "folded.b"))
    torch.testing.assert_close(
        apply(image, weight, bias, groups=groups), expected, rtol=1e-4, atol=1e-5
    )
