"""Homes of a graph's weights in the PyTorch module that it was captured from.

The graph has batch normalisation folded into its convolutions, and factors of activations in its
weights. What was trained in the graph goes back into the module: a convolution takes the weights,
the batch normalisation behind it the bias, and is neutral but for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from edgecnn_exporters.capture.norm_statistics import NormStatistics
from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes.graph import constant, is_operator
from edgecnn_runtime.arrays import Array, Float32, Float64

PRODUCTS = ("Conv", "ConvTranspose", "Gemm")
WEIGHT = ".weight"
# Of the largest weight: by so much a folded weight may differ from the one that is computed here.
TOLERANCE = 1e-4


@dataclass(frozen=True)
class WeightHome:
    """Home of one product's weight and bias.

    Attributes:
        layer: path of the module that has the weight: a convolution, linear or batch-norm layer.
        norm: path of the batch normalisation folded into it; the layer itself where it is one.
        factor, offset: the graph has ``factor · W`` and ``factor · b + offset`` of what is folded.
        has_bias: whether the module can hold a bias there.
    """

    layer: str
    norm: str | None
    factor: float
    offset: float
    has_bias: bool


def find_homes(
    module: torch.nn.Module, graph: ir.Graph, norms: Sequence[NormStatistics]
) -> dict[str, WeightHome]:
    """The home of every product's weight, by the node's name; none of weights that edgecnn made.

    Args:
        module: in evaluation mode, on the CPU.
        graph: canonical and prepared, before anything was equalised.
        norms: which batch normalisation normalises which convolution.

    Raises:
        UnsupportedModel: a layer is used twice, or its weight is not what the graph has.
    """
    layers: dict[str, Any] = dict(module.named_modules())
    keys = set(module.state_dict())
    folded = {each.convolution: each.norm for each in norms if each.convolution}
    homes: dict[str, WeightHome] = {}
    for node in graph:
        key = str(node.inputs[1].name) if is_operator(node, *PRODUCTS) else ""  # type: ignore[union-attr] # a product has one
        if key not in keys or not key.endswith(WEIGHT):
            continue
        layer = key.removesuffix(WEIGHT)
        if layer in {home.layer for home in homes.values()}:
            raise UnsupportedModel(
                f"{layer} is used twice in the network: its weights cannot be trained in 8 bits, "
                "where each use has scales of its own; give each use a layer of its own"
            )
        is_norm = isinstance(layers[layer], _BatchNorm)
        norm = layer if is_norm else folded.get(layer)
        homes[str(node.name)] = _home(node, layer, norm, layers)
    return homes


def _home(node: ir.Node, layer: str, norm: str | None, layers: Mapping[str, Any]) -> WeightHome:
    weight, bias = constant(node.inputs[1]), None
    assert weight is not None
    if len(node.inputs) > 2:
        bias = constant(node.inputs[2])
    own_weight, own_bias = _fold(node, layers[layer], None if norm is None else layers[norm])
    own_weight = own_weight.reshape(weight.shape)
    power = float(np.square(own_weight).sum())
    factor = float((weight * own_weight).sum()) / power if power else 1.0
    shifts = (0.0 if bias is None else bias) - factor * own_bias
    offset = float(np.mean(shifts))
    bounds = TOLERANCE * np.abs(weight).max(), TOLERANCE * (1 + np.abs(own_bias * factor).max())
    errors = np.abs(weight - factor * own_weight).max(), np.abs(shifts - offset).max()
    if factor == 0 or errors[0] > bounds[0] or errors[1] > bounds[1]:
        raise UnsupportedModel(
            f"{node.name} ({node.op_type}): its weights in the graph do not follow from the layer "
            f"{layer}, so that trained ones cannot be written back; something beside batch "
            "normalisation is folded into them"
        )
    has_bias = norm is not None or layers[layer].bias is not None
    return WeightHome(layer, norm, factor, offset, has_bias)


def _fold(node: ir.Node, layer: Any, norm: Any | None) -> tuple[Float64, Float64]:
    """Weight and bias of a layer with the batch normalisation behind it."""
    if norm is layer:
        scale, shift = _line(norm)
        return scale, shift
    weight, bias = _numbers(layer.weight), _numbers(layer.bias)
    axis = 1 if node.op_type == "ConvTranspose" else 0
    channels = weight.shape[axis]
    bias = np.zeros(channels) if bias is None else bias
    if norm is None:
        return weight, bias
    scale, shift = _line(norm)
    if len(scale) != channels:
        raise UnsupportedModel(
            f"{node.name} ({node.op_type}): a batch normalisation behind groups of a transposed "
            "convolution cannot be written back"
        )
    along = scale.reshape([-1 if i == axis else 1 for i in range(weight.ndim)])
    return weight * along, scale * bias + shift


def _line(norm: Any) -> tuple[Float64, Float64]:
    """Scale and shift of a batch normalisation, (channels,) both."""
    mean, variance = _numbers(norm.running_mean), _numbers(norm.running_var)
    scale = 1 / np.sqrt(variance + norm.eps)
    if norm.weight is None:
        return scale, -scale * mean
    scale = scale * _numbers(norm.weight)
    return scale, _numbers(norm.bias) - scale * mean


def _numbers(tensor: torch.Tensor | None) -> Any:
    return None if tensor is None else tensor.detach().cpu().double().numpy()


def write_back(
    module: torch.nn.Module,
    homes: Mapping[str, WeightHome],
    weights: Mapping[str, Float32],
    biases: Mapping[str, Float32],
) -> dict[str, torch.Tensor]:
    """The module's state dict with other weights, by the names of the graph's nodes.

    Batch normalisations are neutral in it: mean 0, variance and scale 1; the shift is the bias. A
    bias without a home is left out.
    """
    state = {key: value.detach().clone() for key, value in module.state_dict().items()}
    layers: dict[str, Any] = dict(module.named_modules())
    for name, home in homes.items():
        _put(state, f"{home.layer}{WEIGHT}", weights[name] / home.factor)
        bias = (biases[name] - home.offset) / home.factor if name in biases else None
        if home.norm is not None:
            _neutralise(state, home, layers[home.norm].eps)
        if bias is None or not home.has_bias:
            continue
        norm = home.norm
        if norm is None:
            _put(state, f"{home.layer}.bias", bias)
        elif f"{norm}.bias" in state:
            _put(state, f"{norm}.bias", bias)
        else:
            _put(state, f"{norm}.running_mean", -bias)
    return state


def _neutralise(state: dict[str, torch.Tensor], home: WeightHome, epsilon: float) -> None:
    norm = home.norm
    if norm != home.layer:
        for key, value in ((f"{norm}{WEIGHT}", 1.0), (f"{home.layer}.bias", 0.0)):
            if key in state:
                state[key].fill_(value)
    state[f"{norm}.running_mean"].zero_()
    state[f"{norm}.running_var"].fill_(1 - epsilon)


def _put(state: dict[str, torch.Tensor], key: str, array: Array) -> None:
    state[key] = torch.from_numpy(array.astype(np.float32)).reshape(state[key].shape)
