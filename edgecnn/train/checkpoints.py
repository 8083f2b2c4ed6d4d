"""What a training leaves on disk: weights that describe themselves, and the state to go on from.

Both are safetensors whose header carries JSON, so that numbers and their description appear in one
atomic rename and never disagree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from edgecnn.description import HEADER, read_header
from edgecnn.errors import CheckpointUnreadable
from edgecnn_exporters.atomic import replace_file

WEIGHTS, STATE, METRICS, CURVE = (
    "weights.safetensors",
    "state.safetensors",
    "metrics.csv",
    "curve.png",
)

STATE_SCHEMA = "edgecnn.training/1"

_NETWORK, _AVERAGE, _OPTIMISER = "network", "average", "optimiser"


def write_tensors(
    path: Path, tensors: Mapping[str, torch.Tensor], description: Mapping[str, Any]
) -> None:
    """A safetensors file with its description, whole or not at all.

    Raises:
        OutputNotWritable: the folder is missing, not writable, or full.
    """
    from safetensors.torch import save

    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    content = save(plain, metadata={HEADER: json.dumps(description, allow_nan=False)})
    with replace_file(path) as stream:
        stream.write(content)


def write_state(
    path: Path,
    network: Mapping[str, torch.Tensor],
    average: Mapping[str, torch.Tensor],
    optimiser: torch.optim.Optimizer,
    description: Mapping[str, Any],
) -> None:
    """Everything that the next epoch depends on."""
    tensors = {f"{_NETWORK}.{key}": value for key, value in network.items()}
    tensors |= {f"{_AVERAGE}.{key}": value for key, value in average.items()}
    for index, buffers in optimiser.state_dict()["state"].items():
        for name, value in buffers.items():
            tensors[f"{_OPTIMISER}.{index}.{name}"] = torch.as_tensor(value)
    write_tensors(path, tensors, description)


def read_state(path: Path) -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, Any]]:
    """The tensors of a state by part ("network", "average", "optimiser"), and its description.

    Raises:
        CheckpointUnreadable: missing, damaged, or no state of a training.
    """
    from edgecnn.checkpoint import read_safetensors

    tensors, description = read_safetensors(path), read_header(path)
    found = None if description is None else description.get("schema")
    if description is None or found != STATE_SCHEMA:
        raise CheckpointUnreadable(
            f"{path} is described by schema {found!r}, expected {STATE_SCHEMA!r}, "
            "a training's state; edgecnn of another version wrote it, or something else"
        )
    parts: dict[str, dict[str, torch.Tensor]] = {_NETWORK: {}, _AVERAGE: {}, _OPTIMISER: {}}
    for key, value in tensors.items():
        part, _, rest = key.partition(".")
        if part not in parts:
            raise CheckpointUnreadable(f"{path} is no state of a training; it holds {key}")
        parts[part][rest] = value
    return parts, description


def restore_optimiser(
    optimiser: torch.optim.Optimizer, buffers: Mapping[str, torch.Tensor]
) -> None:
    """Give the optimiser the momenta that `write_state` kept."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in buffers.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})
