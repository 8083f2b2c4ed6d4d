"""Golden step of a training graph: a batch, its loss and some of its gradients by PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgecnn_exporters.learn.truth import GradientTruth
from edgecnn_runtime.arrays import Array, Float32, Int64
from edgecnn_runtime.bundle.training.golden_step import GoldenGradient, GoldenStep
from edgecnn_runtime.learn.random_inputs import uniform
from edgecnn_runtime.tensor_spec import TensorSpec
from edgecnn_runtime.training import GRADIENT, INDEX, LABELS, LOSS, NORM, Loss

IMAGES = 4
# Positions of a parameter whose gradients are kept: half of them the largest.
POSITIONS = 256


def golden_batch(feeds: list[Float32], batch: int | None) -> Float32:
    """Images of a golden step: of the golden examples, `IMAGES` at most, or the fixed batch.

    A single example is followed by its mirror image: the gradients of a batch are sums.
    """
    if batch is not None:
        return feeds[0]
    images = np.concatenate(feeds)[:IMAGES]
    if len(images) == 1:
        images = np.concatenate([images, images[..., ::-1]])
    return np.ascontiguousarray(images)


def golden_labels(loss: Loss, output: Array) -> Array:
    """Labels that differ between images, and that the network does not answer already.

    Args:
        output: the network's first, (N, classes) for cross-entropy.

    Returns:
        int64 (N,) for cross-entropy: classes spread evenly, none the network's answer where there
        are others. Else float32 of the output's shape: 0 and 1 in turns for binary cross-entropy,
        the output plus or minus its spread for the mean squared error.
    """
    count = len(output)
    if loss == "cross_entropy":
        classes = output.shape[1]
        labels = np.arange(count, dtype=np.int64) * classes // count
        is_answered = labels == output.argmax(axis=1)
        spread: Int64 = (labels + is_answered) % classes
        return spread
    pattern = np.arange(output.size).reshape(output.shape) * 7 % 11 < 5
    if loss == "binary_cross_entropy":
        return pattern.astype(np.float32)
    shift = np.float32(max(float(output.std()), 0.1))
    return (output + np.where(pattern, shift, -shift)).astype(np.float32)


def drawn_inputs(random: Sequence[TensorSpec], count: int) -> dict[str, Array]:
    """The random inputs of a golden step, as a device draws them at its first.

    Args:
        count: of the images.
    """
    return {
        spec.name: uniform(0, 0, place, (count, *(extent or 1 for extent in spec.shape[1:])))
        for place, spec in enumerate(random)
    }


def golden_step(feeds: Mapping[str, Array], labels: Array, truth: GradientTruth) -> GoldenStep:
    """The golden step of a batch.

    Args:
        feeds: the network's input and the random inputs, by name.
    """
    gradients = {}
    for name, gradient in truth.gradients.items():
        flat = gradient.reshape(-1)
        index = kept_positions(flat)
        norm = float(np.float32(np.linalg.norm(flat)))
        gradients[name] = GoldenGradient(index, flat[index].astype(np.float32), norm)
    return GoldenStep(dict(feeds), labels, float(np.float32(truth.loss)), gradients, {})


def golden_tensors(step: GoldenStep) -> dict[str, Array]:
    """The tensors of a golden step's file, by name; docs/learning.md lists them."""
    tensors = {**step.feeds, LABELS: step.labels, LOSS: np.array(step.loss, np.float32)}
    for name, each in step.gradients.items():
        tensors[f"{name}{INDEX}"] = each.index
        tensors[f"{name}{GRADIENT}"] = each.gradient
        tensors[f"{name}{NORM}"] = np.array(each.norm, np.float32)
    return tensors


def kept_positions(gradient: Array) -> Int64:
    """Flat positions in rising order: all of few, or the largest and others spread evenly.

    Args:
        gradient: (n,).
    """
    count = len(gradient)
    if count <= POSITIONS:
        return np.arange(count, dtype=np.int64)
    half = POSITIONS // 2
    largest = np.argsort(-np.abs(gradient), kind="stable")[:half]
    spread = np.arange(half, dtype=np.int64) * count // half
    return np.unique(np.concatenate([largest, spread])).astype(np.int64)
