"""Scales of a training in 8 bits, in the checkpoint that it wrote.

Arrays are tensors beside the weights, encodings and plan are JSON in the header.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecnn.errors import CheckpointUnreadable
from edgecnn.model.checkpoint import StateDict
from edgecnn.model.description import read_header

if TYPE_CHECKING:
    import torch

    from edgecnn_exporters.quantise.trained import TrainedNumbers
    from edgecnn_runtime.arrays import Float32
    from edgecnn_runtime.encoding import Encoding

# Of the names of tensors; no module of a network can be called so.
PREFIX = "int8:"
SCALE, BIAS = f"{PREFIX}scale:", f"{PREFIX}bias:"
# Of the header's JSON.
KEY = "int8"


def tensors_of(trained: TrainedNumbers) -> dict[str, torch.Tensor]:
    """The arrays of trained numbers, by the names that they have in a checkpoint."""
    import torch

    scales = {f"{SCALE}{name}": torch.tensor(each) for name, each in trained.scales.items()}
    biases = {f"{BIAS}{name}": torch.tensor(each) for name, each in trained.biases.items()}
    return scales | biases


def to_json(trained: TrainedNumbers) -> dict[str, Any]:
    """Trained numbers but for their arrays, as the header holds them."""
    return {
        "activations": {name: _pair(each) for name, each in trained.activations.items()},
        "results": {name: _pair(each) for name, each in trained.results.items()},
        "kept": list(trained.kept),
        "coarse": dict(trained.coarse),
        "weight_bits": trained.weight_bits,
    }


def has_trained(path: Path) -> bool:
    """Whether a file is a checkpoint with scales of a training in 8 bits.

    Raises:
        CheckpointUnreadable: damaged, or of another format.
    """
    header = read_header(path) if path.suffix == ".safetensors" and path.is_file() else None
    return header is not None and KEY in header


def split_trained(checkpoint: StateDict, path: Path) -> tuple[StateDict, TrainedNumbers | None]:
    """The weights alone, and the numbers of a training in 8 bits where the file has them.

    Raises:
        CheckpointUnreadable: the numbers are incomplete, or of another version.
    """
    weights = {k: v for k, v in checkpoint.weights.items() if not k.startswith(PREFIX)}
    if len(weights) == len(checkpoint.weights):
        return checkpoint, None
    header = read_header(path) or {}
    try:
        trained = _trained(checkpoint.weights, header[KEY])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointUnreadable(
            f"{path}: its int8 scales are described in a way that is not understood: {error!r}"
        ) from error
    return replace(checkpoint, weights=weights), trained


def _trained(tensors: Mapping[str, torch.Tensor], document: Mapping[str, Any]) -> TrainedNumbers:
    from edgecnn_exporters.quantise.trained import TrainedNumbers

    scales, biases = (_arrays(tensors, begin) for begin in (SCALE, BIAS))
    if not all((scale > 0).all() for scale in scales.values()):
        raise ValueError("a scale of a weight is not above zero")
    return TrainedNumbers(
        activations={name: _encoding(each) for name, each in document["activations"].items()},
        scales=scales,
        biases=biases,
        results={name: _encoding(each) for name, each in document["results"].items()},
        kept=tuple(map(str, document["kept"])),
        coarse={str(name): str(reason) for name, reason in document["coarse"].items()},
        weight_bits=int(document["weight_bits"]),
    )


def _arrays(tensors: Mapping[str, torch.Tensor], begin: str) -> dict[str, Float32]:
    """The arrays whose names begin so, by the rest of the name."""
    import numpy as np

    found = {
        name.removeprefix(begin): value.float().numpy()
        for name, value in tensors.items()
        if name.startswith(begin)
    }
    if not all(np.isfinite(array).all() and array.ndim <= 1 for array in found.values()):
        raise ValueError("scales and biases are finite numbers, one for each channel")
    return found


def _pair(encoding: Encoding) -> list[float | int]:
    return [encoding.scale, encoding.zero_point]


def _encoding(pair: tuple[float, int]) -> Encoding:
    from edgecnn_runtime.encoding import LEVELS, Encoding

    scale, zero_point = float(pair[0]), int(pair[1])
    if not (0 < scale < float("inf") and 0 <= zero_point <= LEVELS):
        raise ValueError(f"scale {scale}, zero point {zero_point}")
    return Encoding(scale, zero_point)
