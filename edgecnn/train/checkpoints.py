"""Checkpoint files of a training: weights with their description, and the state to resume.

Both are safetensors whose header carries JSON, so that numbers and their description appear in one
atomic rename and never disagree.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from edgecnn.errors import CheckpointUnreadable, RecipeInvalid
from edgecnn.model.description import HEADER, read_header
from edgecnn.train.dataset import Dataset
from edgecnn.train.history import Epoch
from edgecnn.train.recipe import Recipe, recipe_from_json
from edgecnn_runtime.atomic import replace_file

WEIGHTS, STATE, METRICS, CURVE = (
    "weights.safetensors",
    "state.safetensors",
    "metrics.csv",
    "curve.png",
)

# 2: with `data`, what the labels come to.
STATE_SCHEMA = "edgecnn.training/2"

Tensors = Mapping[str, torch.Tensor]

_PARTS = ("network", "average", "optimiser")


@dataclass(frozen=True)
class TrainingState:
    """Resume state of a training: all that the next epoch depends on.

    Attributes:
        network: the network's state dict.
        average: the averaged weights by the same keys; empty without EMA.
        optimiser: its momenta, as "3.exp_avg" for the fourth parameter.
        description: what the weights say of the network.
        data: images of each split, and the CRC-32 of their labels.
        history: the epochs so far.
    """

    network: Tensors
    average: Tensors
    optimiser: Tensors
    description: Mapping[str, Any]
    recipe: Recipe
    data: Mapping[str, Sequence[int]]
    processes: int
    history: Sequence[Epoch]

    def differences(self, other: TrainingState) -> list[str]:
        """Differences from the state of another training, one line each: name, ours, theirs."""
        # Through JSON: tuples become the lists that they are when read again.
        ours, theirs = (json.loads(json.dumps(state.description)) for state in (self, other))
        differences = [
            f"{key} {ours.get(key)} against {theirs.get(key)}"
            for key in ("architecture", "form", "input", "data", "preprocess", "quantised")
            if ours.get(key) != theirs.get(key)
        ]
        if ours.get("labels") != theirs.get("labels"):
            differences.append("the names of the classes")
        for split, (images, labels) in self.data.items():
            their_images, their_labels = other.data[split]
            if images != their_images:
                differences.append(f"{split} images {images} against {their_images}")
            elif labels != their_labels:
                differences.append(f"the labels of the {split} images, or their order")
        if self.processes != other.processes:
            differences.append(f"processes {self.processes} against {other.processes}")
        return differences + self.recipe.differences(other.recipe)


def summarise_labels(dataset: Dataset) -> dict[str, tuple[int, int]]:
    """Images of each split and the CRC-32 of their labels: cheap, and another split shows."""
    splits = {"training": dataset.train, "test": dataset.test}
    return {
        name: (len(split), zlib.crc32(split.labels.astype("<i8").tobytes()))
        for name, split in splits.items()
    }


def write_tensors(path: Path, tensors: Tensors, description: Mapping[str, Any]) -> None:
    """Write a safetensors file with its description, completely or not at all.

    Raises:
        OutputNotWritable: the folder is missing, not writable, or full.
    """
    from safetensors.torch import save

    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    content = save(plain, metadata={HEADER: json.dumps(description, allow_nan=False)})
    with replace_file(path) as stream:
        stream.write(content)


def write_state(path: Path, state: TrainingState) -> None:
    """Write the state completely or not at all.

    Raises:
        OutputNotWritable: the folder is missing, not writable, or full.
    """
    tensors = {
        f"{part}.{key}": value
        for part, values in _parts(state).items()
        for key, value in values.items()
    }
    description = {
        "schema": STATE_SCHEMA,
        "description": dict(state.description),
        "recipe": state.recipe.to_json(),
        "data": dict(state.data),
        "processes": state.processes,
        "history": [asdict(row) for row in state.history],
    }
    write_tensors(path, tensors, description)


def read_state(path: Path) -> TrainingState:
    """The state that `write_state` wrote.

    Raises:
        CheckpointUnreadable: missing, damaged, of another version, or no state of a training.
    """
    from edgecnn.model.checkpoint import read_safetensors

    tensors, document = read_safetensors(path), read_header(path)
    schema = None if document is None else document.get("schema")
    if document is None or schema != STATE_SCHEMA:
        raise CheckpointUnreadable(
            f"{path} is described by schema {schema!r}, expected {STATE_SCHEMA!r}, "
            "a training's state; edgecnn of another version wrote it, or something else"
        )
    try:
        return TrainingState(
            **_split(tensors),
            description=dict(document["description"]),
            recipe=recipe_from_json(document["recipe"]),
            data={name: _two(document["data"][name]) for name in ("training", "test")},
            processes=int(document["processes"]),
            history=[_epoch(row) for row in document["history"]],
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecipeInvalid) as error:
        raise CheckpointUnreadable(
            f"{path} is not a training state to resume from: {_message_of(error)}; it "
            "is damaged or of another version of edgecnn; choose another folder with --output"
        ) from error


def copy_tensors(into: Tensors, kept: Tensors, path: Path) -> None:
    """Copy stored values into tensors in use, which keep their memory and layout.

    Raises:
        CheckpointUnreadable: `kept`, read from `path`, has other keys or shapes.
    """
    odd = sorted(into.keys() ^ kept.keys()) or [
        key for key, value in into.items() if value.shape != kept[key].shape
    ]
    if odd:
        raise CheckpointUnreadable(
            f"{path} is damaged: {odd[0]} is missing, too much or of another shape "
            f"({len(odd)} such)"
        )
    with torch.no_grad():
        for key, value in into.items():
            value.copy_(kept[key])


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The optimiser's momenta by number of the parameter and name, as "3.exp_avg"."""
    return {
        f"{index}.{name}": value
        for index, buffers in optimiser.state_dict()["state"].items()
        for name, value in buffers.items()
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, kept: Tensors, path: Path) -> None:
    """Load the momenta that `optimiser_tensors` named into the optimiser.

    Raises:
        CheckpointUnreadable: `kept`, read from `path`, are not those of this optimiser.
    """
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    names = _buffer_names(optimiser)
    state: dict[int, dict[str, torch.Tensor]] = {}
    # A parameter that no loss depends on has no momenta.
    for index in sorted({int(key.partition(".")[0]) for key in kept}):
        like = parameters[index]
        state[index] = {
            # Laid out as the parameter: sums over two layouts are slow, and may round otherwise.
            name: torch.zeros(()) if name == "step" else torch.empty_like(like, device="cpu")
            for name in names
        }
    copy_tensors(
        {f"{index}.{name}": v for index, tensors in state.items() for name, v in tensors.items()},
        kept,
        path,
    )
    optimiser.load_state_dict(optimiser.state_dict() | {"state": state})


def _buffer_names(optimiser: torch.optim.Optimizer) -> tuple[str, ...]:
    if isinstance(optimiser, torch.optim.AdamW):
        return ("step", "exp_avg", "exp_avg_sq")
    return ("momentum_buffer",) if optimiser.defaults["momentum"] else ()


def _parts(state: TrainingState) -> dict[str, Tensors]:
    return {name: getattr(state, name) for name in _PARTS}


def _split(tensors: Tensors) -> dict[str, dict[str, torch.Tensor]]:
    parts: dict[str, dict[str, torch.Tensor]] = {name: {} for name in _PARTS}
    for key, value in tensors.items():
        part, _, rest = key.partition(".")
        parts[part][rest] = value
    return parts


def _two(pair: Sequence[Any]) -> tuple[int, int]:
    images, labels = pair
    return int(images), int(labels)


def _epoch(row: Mapping[str, Any]) -> Epoch:
    return Epoch(epoch=int(row["epoch"]), **{k: float(v) for k, v in row.items() if k != "epoch"})


def _message_of(error: Exception) -> str:
    return f"{error} is missing or not known" if isinstance(error, KeyError) else str(error)
