from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional
from unit.exporters.gradient.single_operator import Case, assert_pytorchs, assert_slopes


def conv(
    x: tuple[int, ...],
    weight: tuple[int, ...],
    strides: tuple[int, ...] = (),
    pads: tuple[int, ...] = (),
    dilations: tuple[int, ...] = (),
    group: int = 1,
    is_dynamic: bool = False,
) -> Case:
    """A Conv with a bias; pads as ONNX has them: before each axis, then after."""
    axes = len(x) - 2
    strides, dilations = strides or (1,) * axes, dilations or (1,) * axes
    pads = pads or (0,) * 2 * axes

    def by_torch(image: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        amounts = [pads[axis + end * axes] for axis in reversed(range(axes)) for end in (0, 1)]
        apply: Any = getattr(functional, f"conv{axes}d")
        padded = functional.pad(image, amounts)
        result: torch.Tensor = apply(padded, weight, bias, strides, 0, dilations, group)
        return result

    attributes = {
        "kernel_shape": weight[2:],
        "strides": strides,
        "pads": pads,
        "dilations": dilations,
        "group": group,
    }
    weights = {"weight": weight, "bias": (weight[0],)}
    return Case("Conv", x, by_torch, weights, attributes, is_dynamic)


CONVOLUTIONS = {
    "pointwise": conv((3, 6, 5, 4), (8, 6, 1, 1), is_dynamic=True),
    "pointwise, strided": conv((2, 6, 6, 5), (8, 6, 1, 1), (2, 2)),
    "3x3": conv((2, 3, 6, 7), (4, 3, 3, 3), pads=(1, 1, 1, 1), is_dynamic=True),
    "3x3 without padding": conv((2, 3, 6, 7), (4, 3, 3, 3)),
    "3x3, fixed batch": conv((2, 3, 6, 7), (4, 3, 3, 3), pads=(1, 1, 1, 1)),
    "padded further than the kernel reaches": conv((2, 3, 5, 5), (4, 3, 3, 3), pads=(3, 2, 4, 2)),
    "strided": conv((2, 3, 8, 9), (4, 3, 3, 3), (2, 2), (1, 1, 1, 1), is_dynamic=True),
    "strided, last pixels unread": conv((2, 3, 8, 8), (4, 3, 3, 3), (3, 2)),
    "strided further than the kernel": conv((2, 3, 9, 11), (4, 3, 2, 2), (3, 4)),
    "strided unevenly": conv((2, 3, 9, 7), (4, 3, 3, 3), (2, 1), (1, 1, 1, 1)),
    "padded unevenly": conv((2, 3, 8, 8), (4, 3, 3, 3), (2, 2), (0, 0, 1, 1)),
    "padded unevenly, stride 1": conv((2, 3, 8, 8), (4, 3, 4, 2), (1, 1), (1, 0, 2, 1)),
    "dilated": conv((2, 3, 9, 9), (4, 3, 3, 3), (1, 1), (2, 2, 2, 2), (2, 2)),
    "dilated and strided": conv((2, 3, 11, 10), (4, 3, 3, 2), (2, 3), (2, 1, 1, 0), (2, 3)),
    "grouped": conv((2, 6, 5, 5), (4, 3, 3, 3), (1, 1), (1, 1, 1, 1), group=2),
    "grouped, strided": conv((2, 6, 6, 5), (9, 2, 3, 3), (2, 2), (1, 1, 1, 1), group=3),
    "grouped pointwise": conv((2, 6, 5, 5), (4, 3, 1, 1), group=2, is_dynamic=True),
    "depthwise": conv((3, 6, 5, 5), (6, 1, 3, 3), (1, 1), (1, 1, 1, 1), group=6, is_dynamic=True),
    "depthwise, strided": conv((2, 6, 8, 8), (6, 1, 3, 3), (2, 2), (0, 0, 1, 1), group=6),
    "depthwise 5x5": conv((2, 4, 7, 7), (4, 1, 5, 5), (2, 2), (2, 2, 2, 2), group=4),
    "depthwise on pixels": conv((2, 6, 2, 2), (6, 1, 5, 5), (2, 2), (2, 2, 2, 2), group=6),
    "depthwise, two outputs each": conv((2, 4, 5, 5), (8, 1, 3, 3), (1, 1), (1,) * 4, group=4),
    "large kernel": conv((2, 3, 17, 17), (5, 3, 7, 7), (2, 2), (3, 3, 3, 3)),
    "large kernel, stride 4": conv((2, 3, 23, 23), (5, 3, 11, 11), (4, 4), (2, 2, 2, 2)),
    "one axis": conv((2, 3, 9), (4, 3, 3), (2,), (1, 0)),
    "three axes": conv((2, 3, 4, 5, 4), (4, 3, 2, 3, 2), (1, 2, 1), (0, 1, 1, 1, 1, 0)),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_have_pytorchs_gradients(name: str) -> None:
    assert_pytorchs(CONVOLUTIONS[name])


@pytest.mark.parametrize("name", ["3x3", "strided", "grouped, strided", "depthwise, strided"])
def test_convolutions_have_the_slopes_of_their_loss(name: str) -> None:
    assert_slopes(CONVOLUTIONS[name])


def conv_transpose(
    x: tuple[int, ...],
    weight: tuple[int, ...],
    strides: tuple[int, ...] = (1, 1),
    pads: tuple[int, ...] = (0, 0),
    output_padding: tuple[int, ...] = (0, 0),
    dilations: tuple[int, ...] = (1, 1),
    group: int = 1,
) -> Case:
    def by_torch(image: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return functional.conv_transpose2d(
            image, weight, bias, strides, pads, output_padding, group, dilations
        )

    attributes = {
        "kernel_shape": weight[2:],
        "strides": strides,
        "pads": (*pads, *pads),
        "output_padding": output_padding,
        "dilations": dilations,
        "group": group,
    }
    weights = {"weight": weight, "bias": (weight[1] * group,)}
    return Case("ConvTranspose", x, by_torch, weights, attributes)


TRANSPOSED = {
    "stride 1": conv_transpose((2, 4, 5, 5), (4, 3, 3, 3), pads=(1, 1)),
    "stride 2": conv_transpose((2, 4, 5, 4), (4, 3, 4, 4), (2, 2), (1, 1)),
    "output padding": conv_transpose((2, 4, 5, 4), (4, 3, 3, 3), (2, 2), (1, 1), (1, 1)),
    "dilated": conv_transpose((2, 4, 5, 4), (4, 3, 3, 2), (1, 2), (1, 0), (0, 0), (2, 1)),
    "grouped": conv_transpose((2, 4, 5, 4), (4, 3, 2, 2), (2, 2), group=2),
    "depthwise": conv_transpose((2, 4, 5, 4), (4, 1, 3, 3), (2, 2), (1, 1), (1, 0), group=4),
}


@pytest.mark.parametrize("name", TRANSPOSED)
def test_transposed_convolutions_have_pytorchs_gradients(name: str) -> None:
    assert_pytorchs(TRANSPOSED[name])


def test_transposed_convolutions_have_the_slopes_of_their_loss() -> None:
    assert_slopes(TRANSPOSED["output padding"])


def gemm(
    trans_a: int, trans_b: int, c: tuple[int, ...], alpha: float = 1.0, beta: float = 1.0
) -> Case:
    def by_torch(a: torch.Tensor, b: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return alpha * (a.T if trans_a else a) @ (b.T if trans_b else b) + beta * c

    x, b = ((4, 5) if trans_a else (5, 4)), ((3, 4) if trans_b else (4, 3))
    attributes = {"transA": trans_a, "transB": trans_b, "alpha": alpha, "beta": beta}
    return Case("Gemm", x, by_torch, {"b": b, "c": c}, attributes)


GEMMS = {
    "canonical": gemm(0, 1, (3,)),
    "neither transposed": gemm(0, 0, (3,), 0.5, 2.0),
    "both transposed": gemm(1, 1, (5, 1), 0.5, -1.0),
    "first transposed": gemm(1, 0, (5, 3), 3.0),
    "C for all": gemm(0, 1, (1,), 1.0, 0.5),
    "C of no axes": gemm(0, 1, ()),
}


@pytest.mark.parametrize("name", GEMMS)
def test_gemm_has_pytorchs_gradients(name: str) -> None:
    assert_pytorchs(GEMMS[name])


def test_gemm_has_the_slopes_of_its_loss() -> None:
    assert_slopes(GEMMS["both transposed"])


def matmul(a: tuple[int, ...], b: tuple[int, ...], is_dynamic: bool = False) -> Case:
    return Case("MatMul", a, torch.matmul, {"b": b}, is_dynamic=is_dynamic)


MATMULS = {
    "two matrices": matmul((5, 4), (4, 3)),
    "a layer on tokens": matmul((2, 5, 4), (4, 3), is_dynamic=True),
    "as many matrices": matmul((2, 3, 5, 4), (2, 3, 4, 3)),
    "first broadcasts": matmul((5, 4), (2, 4, 3)),
    "both broadcast": matmul((2, 1, 5, 4), (3, 4, 3)),
    "vector on the right": matmul((2, 5, 4), (4,)),
    "vector on the left": matmul((4,), (2, 4, 3)),
    "two vectors": matmul((4,), (4,)),
}


@pytest.mark.parametrize("name", MATMULS)
def test_matmul_has_pytorchs_gradients(name: str) -> None:
    assert_pytorchs(MATMULS[name])


def test_matmul_has_the_slopes_of_its_loss() -> None:
    assert_slopes(MATMULS["both broadcast"])
