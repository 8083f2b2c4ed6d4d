"""Initial weights of a training: from a checkpoint, or from a shallower VGG."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from edgecnn.errors import CheckpointMismatch
from edgecnn.model.checkpoint import load_checkpoint, read_checkpoint
from edgecnn.model.description import read_description
from edgecnn.model.trained_numbers import has_trained
from edgecnn.zoo.vgg import VGG

IN_EIGHT_BITS = (
    "is trained in 8 bits already; begin with the float checkpoint that it began with, or continue "
    "in its folder with --resume"
)


def initialise(
    network: nn.Module, path: Path, architecture: str, *, is_head_reset: bool
) -> tuple[str, ...]:
    """Give the network the weights of a checkpoint, or a deeper VGG those of a shallower one.

    Args:
        architecture: the network's name.
        is_head_reset: the last layer keeps its fresh weights where the checkpoint's has another
            shape, as it has with other classes.

    Returns:
        Notes for the user: the layers taken over, and those with fresh weights.

    Raises:
        CheckpointUnreadable: missing, damaged, or a pickle that holds code.
        CheckpointMismatch: of another network, trained in 8 bits, or of other classes and the head
            is not reset.
    """
    if has_trained(path):
        raise CheckpointMismatch(f"{path} {IN_EIGHT_BITS}")
    checkpoint = read_checkpoint(path)
    weights = dict(checkpoint.weights)
    if isinstance(network, VGG) and _repeats(weights) not in ((), network.repeats):
        return copy_shallower(network, weights, path.name)
    description = read_description(path)
    if description is not None and description.architecture != architecture:
        raise CheckpointMismatch(
            f"{path.name} is of {description.architecture}, not of {architecture}; "
            "only a VGG begins with another one, a shallower VGG"
        )
    notes = _reset_heads(network, weights, path.name, is_head_reset=is_head_reset)
    load_checkpoint(network, replace(checkpoint, weights=weights), path.name)
    return (f"begins with {path.name}", *notes)


def copy_shallower(
    deeper: VGG, weights: Mapping[str, torch.Tensor], name: str = "the shallower network"
) -> tuple[str, ...]:
    """Put a shallower VGG's layers into a deeper one; the layers in between keep fresh weights.

    The first convolutions of each stage and the fully connected layers are taken. Simonyan and
    Zisserman 2015, section 3.1, took the first four convolutions and the fully connected layers.

    Args:
        weights: the state dict of the shallower one.

    Raises:
        CheckpointMismatch: it is not shallower, not of the same width, classes or normalisation.
    """
    theirs, ours = _convolutions(weights), _convolutions(deeper.state_dict())
    if not theirs or any(len(a) > len(b) for a, b in zip(theirs, ours, strict=False)):
        raise CheckpointMismatch(
            f"{name} has {_repeats(weights)} convolutions a stage, no fewer than the "
            f"{deeper.repeats} of this VGG; begin with a shallower one"
        )
    own = deeper.state_dict()
    taken = {key: value for key, value in weights.items() if key.startswith("classifier.")}
    fresh = sum(map(len, ours)) - sum(map(len, theirs))
    for there, here in zip(theirs, ours, strict=True):
        for source, target in zip(there, here, strict=False):
            # A BatchNorm, where there is one, follows its convolution.
            for offset in (0, 1):
                begin = f"features.{source + offset}."
                taken |= {
                    f"features.{target + offset}.{key.removeprefix(begin)}": value
                    for key, value in weights.items()
                    if key.startswith(begin)
                }
    odd = [key for key, value in taken.items() if key not in own or own[key].shape != value.shape]
    if odd:
        raise CheckpointMismatch(
            f"{name} does not fit into this VGG: {', '.join(odd[:4])}{', …' if odd[4:] else ''}; "
            "both need the same width, classes, stem and batch norm"
        )
    deeper.load_state_dict(own | taken)
    return (f"begins with the layers of {name}; {fresh} convolutions between them begin anew",)


def _reset_heads(
    network: nn.Module, weights: dict[str, torch.Tensor], name: str, *, is_head_reset: bool
) -> tuple[str, ...]:
    """Put the network's own last layers into `weights` where those are for other classes."""
    own = network.state_dict()
    linears = {
        name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Linear)
    }
    ours = list(linears.values())[-1].out_features
    keys = [
        f"{path}.{kind}"
        for path, layer in linears.items()
        for kind in ("weight", "bias")
        # GoogLeNet's auxiliary classifiers have as many outputs as the last layer.
        if layer.out_features == ours and f"{path}.{kind}" in weights
    ]
    other = [key for key in keys if len(weights[key]) != ours]
    if not other:
        return ()
    theirs = len(weights[other[0]])
    if not is_head_reset:
        raise CheckpointMismatch(
            f"{name} has {theirs} classes, this training {ours}; "
            "--reset-head begins with a new last layer"
        )
    weights.update({key: own[key] for key in other})
    return (f"the last layer begins anew: {theirs} classes there, {ours} here",)


def _repeats(weights: Mapping[str, torch.Tensor]) -> tuple[int, ...]:
    return tuple(map(len, _convolutions(weights)))


def _convolutions(weights: Mapping[str, torch.Tensor]) -> list[list[int]]:
    """Indices of a VGG's convolutions in its `features`, stage by stage."""
    indices = sorted(
        int(key.split(".")[1])
        for key, value in weights.items()
        if key.startswith("features.") and key.endswith(".weight") and value.ndim == 4
    )
    has_batch_norm = any(f"features.{index + 1}.running_mean" in weights for index in indices)
    stages: list[list[int]] = []
    for index in indices:
        # Conv, (BatchNorm,) ReLU: one more layer in between is the pooling that ends a stage.
        if not stages or index - stages[-1][-1] > 2 + has_batch_norm:
            stages.append([])
        stages[-1].append(index)
    return stages
