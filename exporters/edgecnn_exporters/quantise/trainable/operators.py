"""ONNX operators as differentiable functions in PyTorch.

A function takes the operands that hold numbers; attributes, sizes and bounds are read from the node
once. Forms that torch does not compute as ONNX defines them are refused, never approximated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx_ir as ir
import torch
from torch.nn import functional

from edgecnn_exporters.passes.graph import is_set, scalar
from edgecnn_exporters.quantise.trainable import moves, windows
from edgecnn_exporters.quantise.trainable.operator import (
    TorchFunction,
    TorchOperator,
    integers,
    refused,
)
from edgecnn_exporters.quantise.trainable.resize import resize

Tensor = torch.Tensor


def torch_operator(node: ir.Node) -> TorchOperator:
    """The operator of a node.

    Raises:
        UnsupportedModel: there is none; names the node.
    """
    known = OPERATORS.get(node.op_type) if node.domain == "" else None
    if known is None:
        raise refused(node, "it has no differentiable form here")
    return known


def _gemm(node: ir.Node) -> TorchFunction:
    alpha, beta = (node.attributes.get_float(name, 1.0) for name in ("alpha", "beta"))
    turns_a, turns_b = is_set(node, "transA"), is_set(node, "transB")
    if turns_b and not turns_a and alpha == beta == 1:
        return functional.linear

    def run(a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
        product = alpha * ((a.T if turns_a else a) @ (b.T if turns_b else b))
        return product if c is None else product + beta * c

    return run


def _reduce_mean(node: ir.Node) -> TorchFunction:
    axes = integers(node, 1, "axes")
    keeps = node.attributes.get_int("keepdims", 1) != 0
    if axes is None and is_set(node, "noop_with_empty_axes"):
        return lambda x: x
    return lambda x: x.mean(axes, keepdim=keeps)


def _clip(node: ir.Node) -> TorchFunction:
    given = [node.inputs[i] if len(node.inputs) > i else None for i in (1, 2)]
    low, high = (scalar(value) for value in given)
    if any(value is not None and scalar(value) is None for value in given):
        raise refused(node, "its bounds are computed")
    return lambda x: x.clamp(low, high) if (low, high) != (None, None) else x


def _batch_norm(node: ir.Node) -> TorchFunction:
    if is_set(node, "training_mode"):
        raise refused(node, "it still trains")
    epsilon = node.attributes.get_float("epsilon", 1e-5)

    def run(x: Tensor, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        return functional.batch_norm(x, mean, variance, gamma, beta, False, 0.0, epsilon)

    return run


def _response_norm(node: ir.Node) -> TorchFunction:
    size = node.attributes.get_int("size", 0)
    if size % 2 == 0:
        raise refused(node, "its window is over an even number of channels")
    alpha = node.attributes.get_float("alpha", 1e-4)
    beta, bias = node.attributes.get_float("beta", 0.75), node.attributes.get_float("bias", 1.0)
    return lambda x: functional.local_response_norm(x, size, alpha, beta, bias)


def _hard_sigmoid(node: ir.Node) -> TorchFunction:
    alpha, beta = node.attributes.get_float("alpha", 0.2), node.attributes.get_float("beta", 0.5)
    return lambda x: (alpha * x + beta).clamp(0, 1)


def _leaky_relu(node: ir.Node) -> TorchFunction:
    slope = node.attributes.get_float("alpha", 0.01)
    return lambda x: functional.leaky_relu(x, slope)


def _along_axis(function: Callable[[Tensor, int], Tensor]) -> Callable[[ir.Node], TorchFunction]:
    def make(node: ir.Node) -> TorchFunction:
        axis = node.attributes.get_int("axis", -1)
        return lambda x: function(x, axis)

    return make


def _plain(function: TorchFunction) -> Callable[[ir.Node], TorchFunction]:
    return lambda node: function


OPERATORS: Mapping[str, TorchOperator] = {
    "Conv": TorchOperator(windows.conv, 3),
    "ConvTranspose": TorchOperator(windows.conv_transpose, 3),
    "Gemm": TorchOperator(_gemm, 3),
    "MatMul": TorchOperator(_plain(torch.matmul), 2),
    "Add": TorchOperator(_plain(torch.add), 2),
    "Sub": TorchOperator(_plain(torch.sub), 2),
    "Mul": TorchOperator(_plain(torch.mul), 2),
    "Div": TorchOperator(_plain(torch.div), 2),
    "Relu": TorchOperator(_plain(torch.relu)),
    "Clip": TorchOperator(_clip),
    "LeakyRelu": TorchOperator(_leaky_relu),
    "PRelu": TorchOperator(_plain(lambda x, slope: torch.where(x >= 0, x, slope * x)), 2),
    "Sigmoid": TorchOperator(_plain(torch.sigmoid)),
    "Tanh": TorchOperator(_plain(torch.tanh)),
    "HardSigmoid": TorchOperator(_hard_sigmoid),
    "HardSwish": TorchOperator(_plain(functional.hardswish)),
    "Softmax": TorchOperator(_along_axis(torch.softmax)),
    "LogSoftmax": TorchOperator(_along_axis(torch.log_softmax)),
    "GlobalAveragePool": TorchOperator(
        _plain(lambda x: x.mean(tuple(range(2, x.ndim)), keepdim=True))
    ),
    "ReduceMean": TorchOperator(_reduce_mean),
    "AveragePool": TorchOperator(windows.average_pool),
    "MaxPool": TorchOperator(windows.max_pool),
    "Concat": TorchOperator(moves.concat, None),
    "Pad": TorchOperator(moves.pad),
    "Resize": TorchOperator(resize),
    "Reshape": TorchOperator(moves.reshape),
    "Flatten": TorchOperator(moves.flatten),
    "Transpose": TorchOperator(moves.transpose),
    "Squeeze": TorchOperator(moves.squeeze),
    "Unsqueeze": TorchOperator(moves.unsqueeze),
    "Slice": TorchOperator(moves.cut),
    "Split": TorchOperator(moves.split),
    "Identity": TorchOperator(_plain(lambda x: x)),
    "BatchNormalization": TorchOperator(_batch_norm, 5),
    "LRN": TorchOperator(_response_norm),
}
