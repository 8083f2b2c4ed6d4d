"""ONNX operators in PyTorch beside those of `quantise.trainable`, for the gradients of a truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx_ir as ir
import torch
from torch.nn import functional

from edgecnn_exporters.passes.graph import constant, is_set, scalar
from edgecnn_exporters.quantise.trainable.operator import TorchFunction, TorchOperator, refused
from edgecnn_exporters.quantise.trainable.operators import OPERATORS, torch_operator

Tensor = torch.Tensor
Make = Callable[[ir.Node], TorchFunction]


def torch_form(node: ir.Node) -> TorchOperator:
    """The operator of a node in PyTorch.

    Raises:
        UnsupportedModel: there is none; names the node.
    """
    own = FORMS.get(node.op_type) if node.domain == "" else None
    return torch_operator(node) if own is None else own


def _clip(node: ir.Node) -> TorchFunction:
    """Clip whose gradient at a bound is 0, as of `torch.nn.ReLU6`; of `torch.clamp` it is 1."""
    low, high = (scalar(node.inputs[i]) if len(node.inputs) > i else None for i in (1, 2))
    least = -torch.inf if low is None else low
    greatest = torch.inf if high is None else high

    def run(x: Tensor) -> Tensor:
        is_inside = (x > least) & (x < greatest)
        return torch.where(is_inside, x, x.detach().clamp(least, greatest))

    return run


def _batch_norm(node: ir.Node) -> TorchFunction:
    """Normalisation by the running statistics, or without them by the batch's."""
    epsilon = node.attributes.get_float("epsilon", 1e-5)

    def run(
        x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor | None, variance: Tensor | None
    ) -> Tensor:
        is_by_batch = mean is None
        return functional.batch_norm(
            x, mean, variance, gamma, beta, is_by_batch, momentum=0.0, eps=epsilon
        )

    return run


def _gelu(node: ir.Node) -> TorchFunction:
    approximate = node.attributes.get_string("approximate", "none")
    return lambda x: functional.gelu(x, approximate=approximate)


def _with_alpha(function: Callable[[Tensor, float], Tensor], alpha: float) -> Make:
    return lambda node: lambda x: function(x, node.attributes.get_float("alpha", alpha))


def _selu(node: ir.Node) -> TorchFunction:
    alpha = node.attributes.get_float("alpha", 1.6732632)
    gamma = node.attributes.get_float("gamma", 1.050701)
    return lambda x: gamma * torch.where(x > 0, x, alpha * torch.expm1(x))


def _swish(node: ir.Node) -> TorchFunction:
    alpha = node.attributes.get_float("alpha", 1.0)
    return lambda x: x * torch.sigmoid(alpha * x)


def _thresholded(node: ir.Node) -> TorchFunction:
    alpha = node.attributes.get_float("alpha", 1.0)
    return lambda x: torch.where(x > alpha, x, torch.zeros_like(x))


def _reduced(function: Callable[[Tensor, list[int], bool], Tensor]) -> Make:
    def make(node: ir.Node) -> TorchFunction:
        given = constant(node.inputs[1]) if len(node.inputs) > 1 else None
        axes = None if given is None else [int(axis) for axis in given.reshape(-1)]
        keeps = node.attributes.get_int("keepdims", 1) != 0
        if axes is None and is_set(node, "noop_with_empty_axes"):
            raise refused(node, "its axes are empty")
        return lambda x: function(x, list(range(x.ndim)) if axes is None else axes, keeps)

    return make


def _joined(function: Callable[[Tensor, Tensor], Tensor]) -> TorchFunction:
    def run(*operands: Tensor) -> Tensor:
        result = operands[0]
        for operand in operands[1:]:
            result = function(result, operand)
        return result

    return run


def _group_norm(node: ir.Node) -> TorchFunction:
    groups = node.attributes.get_int("num_groups", 1)
    epsilon = node.attributes.get_float("epsilon", 1e-5)

    def run(x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        is_by_channel = len(gamma) == x.shape[1]  # before opset 21 it is by group
        repeats = 1 if is_by_channel else x.shape[1] // groups
        gamma, beta = gamma.repeat_interleave(repeats), beta.repeat_interleave(repeats)
        return functional.group_norm(x, groups, gamma, beta, epsilon)

    return run


def _instance_norm(node: ir.Node) -> TorchFunction:
    epsilon = node.attributes.get_float("epsilon", 1e-5)
    return lambda x, gamma, beta: functional.instance_norm(x, None, None, gamma, beta, eps=epsilon)


def _layer_norm(node: ir.Node) -> TorchFunction:
    epsilon, axis = node.attributes.get_float("epsilon", 1e-5), node.attributes.get_int("axis", -1)

    def run(x: Tensor, gamma: Tensor, beta: Tensor | None = None) -> Tensor:
        shape = x.shape[axis:]
        normed = functional.layer_norm(x, shape, eps=epsilon) * gamma
        return normed if beta is None else normed + beta

    return run


def _gather(node: ir.Node) -> TorchFunction:
    axis = node.attributes.get_int("axis", 0)

    def run(x: Tensor, index: Tensor) -> Tensor:
        flat = index.long().reshape(-1) % x.shape[axis]
        place = axis % x.ndim
        shape = (*x.shape[:place], *index.shape, *x.shape[place + 1 :])
        return x.index_select(place, flat).reshape(shape)

    return run


def _depth_to_space(node: ir.Node) -> TorchFunction:
    size = node.attributes.get_int("blocksize", 1)
    if node.attributes.get_string("mode", "DCR") == "CRD":
        return lambda x: functional.pixel_shuffle(x, size)

    def run(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        blocks = x.reshape(n, size, size, c // size**2, h, w).permute(0, 3, 4, 1, 5, 2)
        return blocks.reshape(n, c // size**2, h * size, w * size)

    return run


def _space_to_depth(node: ir.Node) -> TorchFunction:
    size = node.attributes.get_int("blocksize", 1)

    def run(x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        blocks = x.reshape(n, c, h // size, size, w // size, size).permute(0, 3, 5, 1, 2, 4)
        return blocks.reshape(n, c * size**2, h // size, w // size)

    return run


def _cast(node: ir.Node) -> TorchFunction:
    return lambda x: x.double()


def _plain(function: TorchFunction) -> Make:
    return lambda node: function


FORMS: Mapping[str, TorchOperator] = {
    "Clip": TorchOperator(_clip),
    "BatchNormalization": TorchOperator(_batch_norm, 5),
    "Abs": TorchOperator(_plain(torch.abs)),
    "Cast": TorchOperator(_cast),
    "Celu": TorchOperator(_with_alpha(functional.celu, 1.0)),
    "Cos": TorchOperator(_plain(torch.cos)),
    "DepthToSpace": TorchOperator(_depth_to_space),
    "Elu": TorchOperator(_with_alpha(functional.elu, 1.0)),
    "Erf": TorchOperator(_plain(torch.erf)),
    "Exp": TorchOperator(_plain(torch.exp)),
    "Expand": TorchOperator(_plain(lambda x, shape: x * torch.ones(*shape.tolist())), 2),
    "Gather": TorchOperator(_gather, 2),
    "Gelu": TorchOperator(_gelu),
    "GlobalMaxPool": TorchOperator(
        _plain(lambda x: x.flatten(2).max(2).values.reshape(*x.shape[:2], *[1] * (x.ndim - 2)))
    ),
    "GroupNormalization": TorchOperator(_group_norm, 3),
    "InstanceNormalization": TorchOperator(_instance_norm, 3),
    "LayerNormalization": TorchOperator(_layer_norm, 3),
    "Log": TorchOperator(_plain(torch.log)),
    "Max": TorchOperator(_plain(_joined(torch.maximum)), None),
    "Mean": TorchOperator(_plain(lambda *each: sum(each) / len(each)), None),
    "Min": TorchOperator(_plain(_joined(torch.minimum)), None),
    "Mish": TorchOperator(_plain(functional.mish)),
    "Neg": TorchOperator(_plain(torch.neg)),
    "Pow": TorchOperator(_plain(torch.pow), 2),
    "Reciprocal": TorchOperator(_plain(torch.reciprocal)),
    "ReduceL1": TorchOperator(_reduced(lambda x, axes, keeps: x.abs().sum(axes, keeps))),
    "ReduceL2": TorchOperator(_reduced(lambda x, axes, keeps: (x * x).sum(axes, keeps).sqrt())),
    "ReduceLogSum": TorchOperator(_reduced(lambda x, axes, keeps: x.sum(axes, keeps).log())),
    "ReduceLogSumExp": TorchOperator(_reduced(lambda x, axes, keeps: x.logsumexp(axes, keeps))),
    "ReduceMax": TorchOperator(_reduced(lambda x, axes, keeps: x.amax(axes, keeps))),
    "ReduceMin": TorchOperator(_reduced(lambda x, axes, keeps: x.amin(axes, keeps))),
    "ReduceSum": TorchOperator(_reduced(lambda x, axes, keeps: x.sum(axes, keeps))),
    "ReduceSumSquare": TorchOperator(_reduced(lambda x, axes, keeps: (x * x).sum(axes, keeps))),
    "Selu": TorchOperator(_selu),
    "Sin": TorchOperator(_plain(torch.sin)),
    "Softplus": TorchOperator(_plain(functional.softplus)),
    "Softsign": TorchOperator(_plain(functional.softsign)),
    "SpaceToDepth": TorchOperator(_space_to_depth),
    "Sqrt": TorchOperator(_plain(torch.sqrt)),
    "Sum": TorchOperator(_plain(_joined(torch.add)), None),
    "Swish": TorchOperator(_swish),
    "ThresholdedRelu": TorchOperator(_thresholded),
    "Tile": TorchOperator(_plain(lambda x, repeats: x.repeat(*repeats.tolist())), 2),
    "Where": TorchOperator(_plain(torch.where), 3),
}

# Operators with a kink: on which side of it a value lies, rounding decides where they are near.
KINKED = frozenset(
    {
        *("Abs", "Clip", "GlobalMaxPool", "HardSigmoid", "HardSwish", "LeakyRelu", "Max"),
        *("MaxPool", "Min", "PRelu", "ReduceL1", "ReduceMax", "ReduceMin", "Relu"),
        *("ThresholdedRelu",),
    }
)

DIFFERENTIABLE = frozenset(FORMS) | frozenset(OPERATORS)
