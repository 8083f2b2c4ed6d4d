"""Graphs in which every parameter of the network stands as it is, for learning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgecnn_exporters.passes.graph import is_operator, maker, scalar
from edgecnn_runtime.arrays import Float32

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch


def drop_zero_biases(model: ir.Model) -> None:
    """Take away the biases of zero that PyTorch's dynamo exporter writes.

    A convolution without a bias gets ``Expand(CastLike(0, …), …)`` for one; it is no parameter of
    the network, and would be taken for one once it is folded.
    """
    for node in model.graph:
        if is_operator(node, "Conv", "ConvTranspose") and len(node.inputs) > 2:
            expand = maker(node.inputs[2], "Expand")
            if expand is not None and _is_zero(expand.inputs[0]):
                node.resize_inputs(2)


def _is_zero(value: ir.Value | None) -> bool:
    while (cast := maker(value, "Cast", "CastLike")) is not None:
        value = cast.inputs[0]
    return scalar(value) == 0


def lost_parameters(module: torch.nn.Module, model: ir.Model, feed: Float32) -> list[str]:
    """Names of parameters that change the network's outputs and are no initialisers of the graph.

    A parameter that stands in the network under several names is in the graph under one of them.

    Args:
        feed: an input of the network.
    """
    names: dict[int, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    held = set(model.graph.initializers)
    missing = {key for key, each in names.items() if held.isdisjoint(each)}
    if not missing:
        return []
    return [names[key][0] for key in _used(module, feed) if key in missing]


def _used(module: torch.nn.Module, feed: Float32) -> Iterator[int]:
    """Identities of the parameters that a gradient reaches from an output."""
    import torch
    from torch.utils._pytree import tree_leaves

    with torch.enable_grad():
        outputs = tree_leaves(module(torch.from_numpy(feed.copy())))
        total = sum(each.sum() for each in outputs if each.requires_grad)
    parameters = [each for each in module.parameters() if each.requires_grad]
    if not isinstance(total, torch.Tensor):
        return
    gradients = torch.autograd.grad(total, parameters, allow_unused=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient is not None:
            yield id(parameter)
