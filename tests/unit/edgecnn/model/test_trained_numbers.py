from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from edgecnn.errors import CheckpointUnreadable
from edgecnn.model.checkpoint import read_checkpoint
from edgecnn.model.description import HEADER
from edgecnn.model.trained_numbers import KEY, has_trained, split_trained, tensors_of, to_json
from edgecnn_exporters.quantise.trained import TrainedNumbers
from edgecnn_runtime.encoding import Encoding

TRAINED = TrainedNumbers(
    activations={"input": Encoding(float(np.float32(0.03)), 117)},
    scales={"conv": np.array([0.5, 0.25], np.float32), "fc": np.array(0.125, np.float32)},
    biases={"conv": np.array([-1, 2], np.float32)},
    results={"logits": Encoding(0.1, 3)},
    kept=("fc2",),
    coarse={"box": "no 8-bit encoding serves it"},
    weight_bits=7,
)
WEIGHTS = {"conv.weight": torch.ones(2, 1)}


def write(path: Path, document: object) -> Path:
    header = {HEADER: json.dumps({KEY: document} if document is not None else {})}
    save_file({**WEIGHTS, **tensors_of(TRAINED)}, path, header)
    return path


def test_scales_come_out_of_a_checkpoint_as_they_went_in(tmp_path: Path) -> None:
    path = write(tmp_path / "net.safetensors", to_json(TRAINED))
    assert has_trained(path)
    checkpoint, found = split_trained(read_checkpoint(path), path)
    assert set(checkpoint.weights) == set(WEIGHTS)
    assert found is not None
    for name in ("activations", "results", "kept", "coarse", "weight_bits"):
        assert getattr(found, name) == getattr(TRAINED, name)
    for ours, theirs in ((TRAINED.scales, found.scales), (TRAINED.biases, found.biases)):
        assert ours.keys() == theirs.keys()
        for name, array in ours.items():
            np.testing.assert_array_equal(theirs[name], array)
            assert theirs[name].shape == array.shape


def test_a_float_checkpoint_has_none(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file(WEIGHTS, path, {HEADER: "{}"})
    assert not has_trained(path)
    checkpoint = read_checkpoint(path)
    assert split_trained(checkpoint, path) == (checkpoint, None)
    assert not has_trained(tmp_path / "net.pth")


@pytest.mark.parametrize(
    "change",
    [
        {"activations": {"input": [0.0, 3]}},
        {"activations": {"input": [0.1, 256]}},
        {"activations": {"input": [float("inf"), 0]}},
        {"activations": None},
        {"weight_bits": "many"},
        {"kept": 3},
        None,
    ],
)
def test_scales_that_are_none_are_refused(tmp_path: Path, change: dict[str, object] | None) -> None:
    document = None if change is None else to_json(TRAINED) | change
    path = write(tmp_path / "net.safetensors", document)
    with pytest.raises(CheckpointUnreadable, match="int8 scales are described in a way"):
        split_trained(read_checkpoint(path), path)


@pytest.mark.parametrize("scale", [[0.5, -1.0], [0.5, float("nan")], [[0.5], [0.5]]])
def test_scales_of_weights_are_positive_numbers(tmp_path: Path, scale: list[float]) -> None:
    path = tmp_path / "net.safetensors"
    odd = {"int8:scale:conv": torch.tensor(scale)}
    header = {HEADER: json.dumps({KEY: to_json(TRAINED)})}
    save_file({**WEIGHTS, **tensors_of(TRAINED), **odd}, path, header)
    with pytest.raises(CheckpointUnreadable, match="int8 scales are described in a way"):
        split_trained(read_checkpoint(path), path)
