"""One pass of a network forward and back: a layer's input, output and output gradient."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from edgecnn.errors import LayerUnusable
from edgecnn_runtime.arrays import Float32, Float64
from edgecnn_runtime.errors import first_line


@dataclass(frozen=True)
class ClassLoss:
    """Cross-entropy ``-ln p`` against the class that the network itself predicts.

    Attributes:
        target: index of the class.
        probability: p, the softmax of the class.
        value: the loss.
    """

    target: int
    probability: float
    value: float


@dataclass(frozen=True)
class LayerPass:
    """What a layer read and wrote in one pass, without the batch.

    Attributes:
        input: (C, H, W).
        output: (O, h, w), before anything that changes it in place.
        output_gradient: dL/dY, (O, h, w).
    """

    input: Float64
    output: Float64
    output_gradient: Float64
    loss: ClassLoss


def record_layer(network: nn.Module, layer: nn.Module, name: str, image: Float32) -> LayerPass:
    """Run a classifier in float64 and evaluation mode, and its loss back to the layer's output.

    BatchNorm takes its running statistics, so that nothing depends on other images. The network is
    changed to float64.

    Args:
        name: of the layer, for messages.
        image: (1, C, H, W).

    Raises:
        LayerUnusable: the network does not run on it or answers no class scores; the layer does not
            run once, or no gradient reaches it.
    """
    inputs: list[torch.Tensor] = []
    outputs: list[torch.Tensor] = []
    gradients: list[torch.Tensor] = []

    def note(_: nn.Module, given: tuple[torch.Tensor, ...], result: torch.Tensor) -> None:
        inputs.append(given[0].detach().clone())
        outputs.append(result.detach().clone())
        # On the tensor, not the module: a ReLU in place follows many a convolution.
        result.register_hook(gradients.append)  # type: ignore[no-untyped-call]  # torch's own

    hook = layer.register_forward_hook(note)
    try:
        with torch.enable_grad():
            scores = network.double().eval()(torch.from_numpy(image).double().requires_grad_())
    except Exception as error:  # a user's forward may raise anything
        raise LayerUnusable(
            f"the network does not run on an input of {'x'.join(map(str, image.shape))}: "
            f"{first_line(error)}"
        ) from error
    finally:
        hook.remove()
    if len(inputs) != 1:
        raise LayerUnusable(
            f"{name} runs {len(inputs)} times for one image, expected once; choose another layer"
        )
    loss = _backward(scores)
    if not gradients or not gradients[0].any():
        raise LayerUnusable(
            f"no gradient reaches {name}: dL/dY is 0 everywhere for this image; give another "
            "--image, or choose a later layer"
        )
    read, wrote, gradient = (values[0][0].numpy() for values in (inputs, outputs, gradients))
    return LayerPass(read, wrote, gradient, loss)


def _backward(scores: object) -> ClassLoss:
    """Cross-entropy of scores (1, classes) against the largest, and its backward pass."""
    if not isinstance(scores, torch.Tensor) or scores.ndim != 2:
        shape = tuple(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise LayerUnusable(
            f"the network answers {shape}, expected scores (1, classes): the loss is the "
            "cross-entropy of a classifier"
        )
    target = scores.argmax(1)
    loss = cross_entropy(scores, target)
    loss.backward()  # type: ignore[no-untyped-call]  # torch's own
    value = loss.item()
    return ClassLoss(int(target), math.exp(-value), value)
