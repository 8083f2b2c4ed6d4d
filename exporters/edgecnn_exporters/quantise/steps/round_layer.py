"""Adaptive rounding of one layer's weights, up or down, for the least error of its output.

Nagel et al. 2020, "Up or Down? Adaptive Rounding for Post-Training Quantization" (AdaRound).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.quantise.encoding import QuantisedWeight, Range, along, largest_integer
from edgecnn_runtime.arrays import Float32

if TYPE_CHECKING:
    import torch

    from edgecnn_exporters.quantise.trainable.operator import TorchFunction

# Section 4 and appendix of the paper, but for the steps: 8 bits have less to gain than 4.
STEPS = 400
BATCH = 8
LEARNING_RATE = 1e-2
REGULARISATION = 1e-2
STRETCH = (-0.1, 1.1)
SHARPNESS = (20.0, 2.0)
# An error of the output that weighs as much as one weight that is half-way between two integers.
RELATIVE = 1e-3
# Of the mean power of the targets, what every sample counts as at least.
LEAST_POWER = 1e-2
# The part of the steps in which nothing is pushed to either side yet.
WARM_UP = 0.2


@dataclass(frozen=True)
class Rounded:
    """A layer whose weights were rounded anew.

    Attributes:
        before, after: `error_of` its output.
    """

    node: str
    before: float
    after: float


@dataclass(frozen=True)
class LayerSamples:
    """Inputs and expected outputs of a product, sample by sample.

    Attributes:
        inputs: (batch, …), dequantised, as they come out of the quantised layers before it.
        targets: (batch, channels, …), the float network's output, behind a Relu or Clip where one
            follows.
        limit: what that lets through; None where none follows.
    """

    node: ir.Node
    weight: Float32
    bias: Float32
    quantised: QuantisedWeight
    inputs: Sequence[Float32]
    targets: Sequence[Float32]
    limit: Range | None = None

    def weigh(self) -> list[float]:
        """One over the power of each sample's target: none with massive activations decides."""
        powers = [float(np.square(each).mean()) for each in self.targets]
        least = LEAST_POWER * float(np.mean(powers)) + 1e-12
        return [1 / (power + least) for power in powers]


def can_round(node: ir.Node) -> bool:
    """Whether `round_layer` computes the product as the graph does: its pads must be explicit."""
    pads = node.attributes.get_string("auto_pad", "NOTSET")
    return node.op_type == "Gemm" or (node.op_type == "Conv" and pads == "NOTSET")


def round_layer(layer: LayerSamples, bits: int = 8) -> tuple[QuantisedWeight, Rounded]:
    """Round one layer's weights up or down by gradient, and measure what it brought.

    With ``W = s clip(floor(w/s) + h(v), -n, n)`` and ``h(v) = clip(1.2 sigmoid(v) - 0.1, 0, 1)``,
    the squared error of the output behind its clip, of each sample over the power of its target,
    plus ``λ Σ (1 - |2 h(v) - 1|^β)``, β falling from 20 to 2, is minimised over v by Adam; then h
    is rounded (equations 21 to 25).
    """
    import torch

    limit = largest_integer(bits)
    scale = _tensor(along(layer.quantised.scale, layer.weight.ndim, layer.quantised.axis))
    steps = _tensor(layer.weight) / scale
    floor = torch.floor(steps)
    value = _soften(steps - floor).requires_grad_()
    inputs, targets = (list(map(_tensor, each)) for each in (layer.inputs, layer.targets))
    bias = _tensor(layer.bias)
    run = _clipped_product(layer)
    weights = torch.tensor(layer.weigh())
    optimiser = torch.optim.Adam([value], lr=LEARNING_RATE)
    random = np.random.default_rng(0)
    for number in range(STEPS):
        picked = random.permutation(len(inputs))[:BATCH]
        x = torch.cat([inputs[index] for index in picked])
        y = torch.cat([targets[index] for index in picked])
        each = weights[picked].repeat_interleave(len(y) // len(picked))
        share = _share(value)
        weight = scale * torch.clamp(floor + share, -limit, limit)
        errors = (run(x, weight, bias) - y).square().flatten(1).mean(1)
        # Of the size of the output, so that λ means the same for every layer.
        loss = (errors * each).mean() / RELATIVE
        loss = loss + _push(share, number / STEPS)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    with torch.no_grad():
        rounded = torch.clamp(floor + (_share(value) >= 0.5), -limit, limit)
    rounded_weight = replace(layer.quantised, integers=rounded.numpy().astype(np.int8))
    before, after = (
        error_of(layer, each.dequantise()) for each in (layer.quantised, rounded_weight)
    )
    return rounded_weight, Rounded(str(layer.node.name), before, after)


def _soften(rest: torch.Tensor) -> torch.Tensor:
    """The v at which h(v) is the remainder of rounding down: W begins unchanged."""
    import torch

    low, high = STRETCH
    between = ((rest - low) / (high - low)).clamp(1e-4, 1 - 1e-4)
    return torch.log(between / (1 - between))


def _share(value: torch.Tensor) -> torch.Tensor:
    """h(v), the share of a step by which a weight is rounded up."""
    import torch

    low, high = STRETCH
    return torch.clamp(torch.sigmoid(value) * (high - low) + low, 0, 1)


def _push(share: torch.Tensor, done: float) -> torch.Tensor | float:
    """Regulariser that drives h to 0 or 1, ever harder."""
    if done <= WARM_UP:
        return 0.0
    fall = (done - WARM_UP) / (1 - WARM_UP)
    sharpness = SHARPNESS[0] + fall * (SHARPNESS[1] - SHARPNESS[0])
    return REGULARISATION * (1 - (2 * share - 1).abs().pow(sharpness)).sum()


def _tensor(array: Float32) -> torch.Tensor:
    """The array as a tensor, copied: arrays of ONNX Runtime or of a file may be read-only."""
    import torch

    return torch.from_numpy(np.array(array))


def error_of(layer: LayerSamples, weight: Float32) -> float:
    """Mean over the samples of the output's squared error with a weight over its target's power."""
    import torch

    run = _clipped_product(layer)
    fixed, bias = _tensor(weight), _tensor(layer.bias)
    with torch.no_grad():
        errors = [
            float(np.square(run(_tensor(x), fixed, bias).numpy() - y).mean()) * weight_of_sample
            for x, y, weight_of_sample in zip(
                layer.inputs, layer.targets, layer.weigh(), strict=True
            )
        ]
    return float(np.mean(errors))


def _clipped_product(layer: LayerSamples) -> TorchFunction:
    """The product, and the clip behind it, as a function of (input, weight, bias) in torch."""
    from edgecnn_exporters.quantise.trainable.operators import torch_operator

    run, limit = torch_operator(layer.node).make(layer.node), layer.limit
    if limit is None:
        return run
    return lambda x, weight, bias: run(x, weight, bias).clamp(limit.low, limit.high)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch to one thread.

    Layers are small: on a machine that does anything else, two threads wait for each other, and
    take thirty times as long as one.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
