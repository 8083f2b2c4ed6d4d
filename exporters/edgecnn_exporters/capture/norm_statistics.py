"""Mean and deviation of a PyTorch network's batch normalisations, by module path.

Both of PyTorch's exporters fold them into the convolutions before; the graph no longer has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn_exporters.passes.moments import Moments, note
from edgecnn_runtime.arrays import Float32

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch


@dataclass(frozen=True)
class NormStatistics:
    """Mean and deviation of one batch normalisation's output.

    Attributes:
        norm: path of its module.
        convolution: path of the module whose output it alone normalises; None for any other input.
    """

    norm: str
    convolution: str | None
    moments: Moments


def norm_statistics(module: torch.nn.Module, feed: Float32) -> tuple[NormStatistics, ...]:
    """Statistics of every batch normalisation that runs once.

    Args:
        feed: any input of the network: a run shows which module's output each one reads.
    """
    import torch
    from torch.nn.modules.batchnorm import _BatchNorm
    from torch.nn.modules.conv import _ConvNd

    # The tensors are kept alive, so that no other one gets the id of a freed one.
    outputs: dict[int, tuple[str, torch.Tensor]] = {}
    statistics: list[NormStatistics] = []

    def hook_of(path: str, layer: torch.nn.Module) -> Any:
        def hook(_: torch.nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
            if isinstance(layer, _BatchNorm):
                source, _tensor = outputs.get(id(inputs[0]), (None, None))
                statistics.append(NormStatistics(path, source, _moments(layer)))
            else:
                outputs[id(output)] = (path, output)

        return hook

    hooks = [
        layer.register_forward_hook(hook_of(path, layer))
        for path, layer in module.named_modules()
        if isinstance(layer, (_BatchNorm, _ConvNd, torch.nn.Linear))
    ]
    try:
        with torch.no_grad():
            module(torch.from_numpy(feed.copy()))
    finally:
        for each in hooks:
            each.remove()
    return tuple(each for each in statistics if [e.norm for e in statistics].count(each.norm) == 1)


def note_moments(model: ir.Model, statistics: Sequence[NormStatistics]) -> None:
    """Note the statistics on the canonical graph, whose nodes are named after the modules."""
    nodes = {str(node.name): node for node in model.graph}
    for each in statistics:
        node = nodes.get(each.norm)
        if node is None and each.convolution is not None:
            node = nodes.get(each.convolution)
        if node is not None:
            note(node.outputs[0], each.moments)


def _moments(layer: Any) -> Moments:
    channels = layer.num_features
    if not layer.affine:
        return Moments(np.zeros(channels), np.ones(channels))
    return Moments.of_norm(layer.weight.detach().numpy(), layer.bias.detach().numpy())
