"""Random weights and batch-norm statistics of any network, so that each layer shows in the answers.

Fresh networks hide faults: layer scales of 1e-6 and gains of 0 switch whole blocks off, weights of
deviation 0.02 leave attention uniform, and batch normalisation with mean 0 normalises nothing.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.outside.inputs import calibration_inputs

EXAMPLES = 24
# A constant parameter below this is a block switched off.
OFF = 1e-2


def settle(module: nn.Module, size: int) -> None:
    """Weights alive, and statistics of batch normalisation from photographs of `size` pixels.

    As in edgecnn/model/settle.py a sixteenth of the mean is taken off and no deviation is below
    the layer's own: with the true statistics a deep network of random weights is chaotic.
    Convolutions with a bias, as gates and heads have, keep the weights that their package gave.
    """
    with torch.no_grad():
        _enliven(module)
        hooks = [
            layer.register_forward_pre_hook(_note)
            for layer in module.modules()
            if isinstance(layer, _BatchNorm)
        ]
        module(torch.from_numpy(calibration_inputs(size)[:EXAMPLES]))
        for hook in hooks:
            hook.remove()


def _enliven(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, _BatchNorm) and layer.affine:
            nn.init.uniform_(layer.weight, 0.75, 1.25)
            nn.init.normal_(layer.bias, std=0.5)
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
        elif isinstance(layer, nn.Conv2d) and layer.bias is None:
            nn.init.kaiming_normal_(layer.weight)
    for parameter in module.parameters():
        first = parameter.flatten()[:1]
        if parameter.numel() and (parameter == first).all() and first.abs() <= OFF:
            if first == 0:
                nn.init.normal_(parameter, std=0.1)
            else:
                nn.init.uniform_(parameter, 0.25, 0.5)


def _note(layer: nn.Module, inputs: tuple[torch.Tensor]) -> None:
    (values,) = inputs
    assert isinstance(layer, _BatchNorm)
    if layer.running_mean is None or layer.running_var is None:
        return
    by_example = values.transpose(0, 1).flatten(2) if values.dim() > 2 else values.T[..., None]
    centre = by_example.mean((1, 2)) / 16
    # Of the example that has the largest: gates multiply, and another image would be far outside.
    power = (by_example - centre[:, None, None]).square().mean(2).amax(1)
    layer.running_mean.copy_(centre)
    layer.running_var.copy_(torch.maximum(power, power.mean()))
