"""BatchNorm statistics for networks of random weights, so that they behave as trained ones do."""

from __future__ import annotations

import torch
from torch import nn

from edgecnn_exporters.capture.examples import example_batch
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

# As many as an export is compared on: a photograph that is not among them may be far outside.
EXAMPLES = 13


def settle(module: nn.Module, shape: tuple[int, int, int], preprocess: Preprocess | None) -> None:
    """Set BatchNorm statistics and weights of a network whose weights are random.

    Every BatchNorm has weights of chance and statistics of a few examples of its input.
    Fresh ones have mean 0 and deviation 1, which nothing can get wrong, and the values of a very
    deep network overflow or vanish: EfficientNet-B4 answers 4e-14. With the true statistics a deep
    network of random weights is chaotic, as no trained one is, and its last digits say nothing of
    who computed them. Two things make it so, and are left out. Of examples that a network no
    longer tells apart every layer would stretch what is left: only a sixteenth of the mean is
    taken off, and the deviation is about that, and of the example that has the largest. A channel
    whose inputs happen to cancel would be blown up with its rounding: no deviation is below the
    layer's own, over all channels. Without the second, MobileNetV1 makes 2e-5 of a rounding to 32
    bits and 8e-2 of one to 16; with it, 5e-7 and 1e-3, which is what it costs trained networks.

    Args:
        shape: (channels, height, width) of its input.
    """

    def note(layer: nn.BatchNorm2d, inputs: tuple[torch.Tensor]) -> None:
        (values,) = inputs
        centre = values.mean((0, 2, 3)) / 16
        power = (values - centre[:, None, None]).square().mean((2, 3)).amax(0)
        assert layer.running_mean is not None
        assert layer.running_var is not None
        layer.running_mean.copy_(centre)
        layer.running_var.copy_(torch.maximum(power, power.mean()))

    layers = [
        layer
        for layer in module.modules()
        if isinstance(layer, nn.BatchNorm2d) and layer.track_running_stats
    ]
    for layer in layers:
        nn.init.uniform_(layer.weight, 0.75, 1.25)
        nn.init.normal_(layer.bias, std=0.5)
    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    spec = TensorSpec("input", "float32", (None, *shape))
    with torch.no_grad():
        module(torch.from_numpy(example_batch(spec, preprocess, EXAMPLES)))
    for hook in hooks:
        hook.remove()
