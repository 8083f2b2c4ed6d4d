"""Weights loaded into a built network, with their provenance."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.errors import CheckpointMismatch, WeightsMissing
from edgecnn.model.checkpoint import (
    COUNTERS,
    StateDict,
    load_checkpoint,
    read_checkpoint,
    strip_prefixes,
)
from edgecnn.model.trained_numbers import split_trained
from edgecnn.model.weights import RANDOM, Weights
from edgecnn.zoo import Architecture, Form

if TYPE_CHECKING:
    from torch import nn

    from edgecnn_exporters.quantise.trained import TrainedNumbers


@dataclass(frozen=True)
class Loaded:
    """Provenance of weights, notes for the user, and numbers of their 8-bit form."""

    source: dict[str, str]
    notes: tuple[str, ...] = ()
    trained: TrainedNumbers | None = None


def untrained() -> Loaded:
    """No weights were loaded: those that the network was built with are random."""
    return Loaded({"weights": RANDOM}, ("random weights: the network is untrained",))


def load_own(network: nn.Module, weights: str | None, origin: str) -> Loaded:
    """Load a file into a network of a user's own, or leave it the weights that it has.

    Args:
        origin: of the weights that it has, for the provenance.

    Raises:
        WeightsMissing: a name that is no file.
        CheckpointUnreadable, CheckpointMismatch: as `edgecnn.model.checkpoint` says.
    """
    if weights is None:
        return Loaded({"weights": origin})
    if weights == RANDOM:
        return untrained()
    if not Path(weights).suffix:
        raise WeightsMissing(f"no weights are called {weights!r}; pass a file (.safetensors, .pth)")
    return load_weights(network, Path(weights), weights, None)


def refuse_larger(architecture: Architecture, form: Form, weights: Weights) -> None:
    """Refuse to build a network of more weights than its checkpoint has bytes.

    What a checkpoint says of itself would otherwise take any memory. Built without memory first.

    Raises:
        CheckpointMismatch: it is larger.
    """
    import torch

    with torch.device("meta"):
        module = architecture.build(**vars(form))
    numbers, size = sum(each.numel() for each in module.parameters()), weights.path.stat().st_size
    if numbers > size:
        raise CheckpointMismatch(
            f"{weights.name} describes a {architecture.name} of {numbers:,} weights, more than its "
            f"{size:,} bytes hold; it is damaged, fetch it again"
        )


def load_weights(
    module: nn.Module, path: Path, name: str, architecture: Architecture | None
) -> Loaded:
    """Load a file of weights.

    Raises:
        CheckpointUnreadable, CheckpointMismatch: as `edgecnn.model.checkpoint` says.
    """
    checkpoint, trained = split_trained(read_checkpoint(path), path)
    if architecture is not None:
        checkpoint = replace(
            checkpoint, weights=architecture.convert(checkpoint.weights, module.state_dict())
        )
    try:
        checkpoint = load_checkpoint(module, checkpoint, path.name)
    except CheckpointMismatch as error:
        if architecture is None or (classes := _other_classes(module, checkpoint)) is None:
            raise
        raise CheckpointMismatch(
            f"{path.name} is of {architecture.name} with {classes[0]} classes, the network has "
            f"{classes[1]}: give --classes {classes[0]}"
        ) from error
    notes = (
        (f"{path.name}: weights taken from {' → '.join(checkpoint.unwrapped)}",)
        if checkpoint.unwrapped
        else ()
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Loaded({"weights": name, "weights_sha256": digest}, notes, trained)


def _other_classes(module: nn.Module, checkpoint: StateDict) -> tuple[int, int] | None:
    """Classes of a checkpoint and of a network that differ in nothing else; None where they do."""
    own = module.state_dict()
    given = strip_prefixes(checkpoint, set(own)).weights
    pairs = {
        (given[key].shape[0], own[key].shape[0])
        for key in own
        if key in given and given[key].shape != own[key].shape and own[key].dim()
    }
    is_alike = all(
        key in given and given[key].shape[1:] == own[key].shape[1:]
        for key in own
        if not key.endswith(COUNTERS)
    )
    return pairs.pop() if is_alike and len(pairs) == 1 else None
