from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper
from torch.nn import functional
from unit.exporters.gradient.single_operator import SHIFT, Case, assert_pytorchs, assert_slopes
from unit.exporters.gradient.support import GRADIENT, model_of, run_step

from edgecnn_exporters.gradient.training_graph import TrainingRequest


def max_pool(
    x: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    is_dynamic: bool = False,
) -> Case:
    """A MaxPool; pads as ONNX has them: before each axis, then after."""
    axes = len(kernel)
    pads, dilations = pads or (0,) * 2 * axes, dilations or (1,) * axes

    def by_torch(image: torch.Tensor) -> torch.Tensor:
        amounts = [pads[axis + end * axes] for axis in reversed(range(axes)) for end in (0, 1)]
        padded = functional.pad(image, amounts, value=-torch.inf)
        apply: Any = getattr(functional, f"max_pool{axes}d")
        result: torch.Tensor = apply(padded, kernel, strides, dilation=dilations)
        return result

    attributes = {
        "kernel_shape": kernel,
        "strides": strides,
        "pads": pads,
        "dilations": dilations,
    }
    return Case("MaxPool", x, by_torch, {}, attributes, is_dynamic)


MAX_POOLS = {
    "side by side": max_pool((2, 3, 6, 8), (2, 2), (2, 2), is_dynamic=True),
    "side by side, last pixels unread": max_pool((2, 3, 7, 9), (2, 2), (2, 2)),
    "side by side, unequal": max_pool((2, 3, 6, 8), (3, 2), (3, 2)),
    "strided further than the kernel": max_pool((2, 3, 7, 8), (1, 1), (2, 2), is_dynamic=True),
    "overlapping": max_pool((2, 3, 9, 9), (3, 3), (2, 2), (1, 1, 1, 1), is_dynamic=True),
    "overlapping, stride 1": max_pool((2, 3, 5, 6), (3, 3), (1, 1), (1, 1, 1, 1)),
    "rounded up": max_pool((2, 3, 8, 8), (3, 3), (2, 2), (0, 0, 1, 1)),
    "dilated": max_pool((2, 3, 9, 9), (2, 3), (1, 2), (1, 1, 0, 1), (3, 2)),
    "one axis": max_pool((2, 3, 9), (3,), (2,)),
    "three axes": max_pool((2, 3, 4, 5, 6), (2, 2, 2), (2, 1, 2)),
}


@pytest.mark.parametrize("name", MAX_POOLS)
def test_max_pools_have_pytorchs_gradients(name: str) -> None:
    assert_pytorchs(MAX_POOLS[name])


@pytest.mark.parametrize("name", ["side by side", "overlapping"])
def test_max_pools_have_the_slopes_of_their_loss(name: str) -> None:
    assert_slopes(MAX_POOLS[name], 1e-3)


@pytest.mark.parametrize("name", [*MAX_POOLS, "global"])
def test_of_equal_pixels_the_first_gets_the_gradient(name: str) -> None:
    case = GLOBAL_MAX if name == "global" else MAX_POOLS[name]
    operator, x = case.operator, np.zeros(case.x, np.float32)
    random = np.random.default_rng(3)
    shift = random.integers(0, 2, x.shape).astype(np.float32)
    nodes = [
        helper.make_node("Add", ["x", SHIFT], ["shifted"], "add"),
        helper.make_node(operator, ["shifted"], ["y"], "node", **case.attributes),
    ]
    tensor = torch.tensor(shift, requires_grad=True)
    output = case.torch(tensor)
    target = random.standard_normal(output.shape).astype(np.float32)
    functional.mse_loss(output, torch.tensor(target)).backward()
    request = TrainingRequest(SHIFT, "mean_squared_error", GRADIENT)
    feeds = {"x": x, "learn.labels": target, "learn.rate": np.array(1.0, np.float32)}
    ours = run_step(model_of(nodes, {SHIFT: shift}, x.shape), request, feeds)
    assert tensor.grad is not None
    np.testing.assert_allclose(shift - ours[f"{SHIFT}.next"], tensor.grad, rtol=0, atol=2e-7)


GLOBAL_MAX = Case(
    "GlobalMaxPool", (3, 4, 5, 6), lambda x: functional.adaptive_max_pool2d(x, 1), is_dynamic=True
)


def test_global_max_pool_has_pytorchs_gradients() -> None:
    assert_pytorchs(GLOBAL_MAX)
    assert_slopes(GLOBAL_MAX, 1e-3)


def average_pool(
    x: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    pads: tuple[int, ...] = (),
    counts_padding: bool = False,
    is_dynamic: bool = False,
) -> Case:
    axes = len(kernel)
    pads = pads or (0,) * 2 * axes

    def by_torch(image: torch.Tensor) -> torch.Tensor:
        amounts = [pads[axis + end * axes] for axis in reversed(range(axes)) for end in (0, 1)]
        weight = torch.ones((image.shape[1], 1, *kernel), dtype=image.dtype)
        convolve: Any = getattr(functional, f"conv{axes}d")

        def total(values: torch.Tensor) -> Any:
            padded = functional.pad(values, amounts)
            return convolve(padded, weight, None, strides, groups=image.shape[1])

        pixels = weight[0].numel() if counts_padding else total(torch.ones_like(image))
        result: torch.Tensor = total(image) / pixels
        return result

    attributes = {
        "kernel_shape": kernel,
        "strides": strides,
        "pads": pads,
        "count_include_pad": int(counts_padding),
    }
    return Case("AveragePool", x, by_torch, {}, attributes, is_dynamic)


AVERAGE_POOLS = {
    "side by side": average_pool((2, 3, 6, 8), (2, 2), (2, 2), is_dynamic=True),
    "side by side, last pixels unread": average_pool((2, 3, 7, 8), (3, 3), (3, 3)),
    "overlapping": average_pool((2, 3, 7, 8), (3, 3), (2, 2)),
    "padding not counted": average_pool((2, 3, 7, 8), (3, 3), (1, 2), (1, 1, 1, 1)),
    "padding counted": average_pool((2, 3, 7, 8), (3, 3), (2, 2), (1, 1, 1, 1), True, True),
    "rounded up": average_pool((2, 3, 6, 6), (3, 3), (2, 2), (0, 0, 1, 1)),
    "one axis": average_pool((2, 3, 7), (3,), (2,), (1, 1)),
    "whole image": average_pool((2, 3, 7, 7), (7, 7), (1, 1)),
}


@pytest.mark.parametrize("name", AVERAGE_POOLS)
def test_average_pools_have_pytorchs_gradients(name: str) -> None:
    assert_pytorchs(AVERAGE_POOLS[name])


def test_average_pools_have_the_slopes_of_their_loss() -> None:
    assert_slopes(AVERAGE_POOLS["padding not counted"])


GLOBAL_AVERAGE = Case(
    "GlobalAveragePool", (3, 4, 5, 6), lambda x: x.mean((2, 3), keepdim=True), is_dynamic=True
)


def test_global_average_pool_has_pytorchs_gradients() -> None:
    assert_pytorchs(GLOBAL_AVERAGE)
    assert_slopes(GLOBAL_AVERAGE)
