"""A training that was killed ends with the weights of one that was not, bit for bit."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from unit.edgecnn.train import small

from edgecnn.errors import CheckpointUnreadable, LossDiverged, ResumeRefused
from edgecnn.model.checkpoint import read_safetensors
from edgecnn.train.checkpoints import METRICS, STATE, WEIGHTS
from edgecnn.train.loop import train
from edgecnn.train.recipe import Recipe

SGD = Recipe(epochs=3, batch_size=12, learning_rate=0.05)
ADAMW = replace(SGD, optimiser="adamw", learning_rate=0.003, schedule="one-cycle")
TIMES = {"images_per_s", "seconds"}


def run_script(folder: Path, recipe: Recipe, network: str, *, is_killed: bool) -> int:
    request = {
        "folder": str(folder),
        "recipe": recipe.to_json(),
        "network": network,
        "is_killed": is_killed,
    }
    command = [sys.executable, small.__file__, json.dumps(request)]
    return subprocess.run(command, check=False).returncode


def rows(folder: Path) -> list[dict[str, str]]:
    """The metrics without what time it took."""
    with (folder / METRICS).open() as file:
        return [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    ("network", "recipe"),
    [
        pytest.param("resnet20", SGD, marks=pytest.mark.matrix),
        ("resnet20", replace(ADAMW, ema=0.9, mixup=0.2, clip=1.0)),
        # Dropout and auxiliary classifiers; then stochastic depth.
        pytest.param("googlenet", replace(SGD, learning_rate=0.01), marks=pytest.mark.matrix),
        ("efficientnet_b0", replace(ADAMW, augmentation=("crop", "flip", "jitter", "lighting"))),
    ],
    ids=lambda value: value if isinstance(value, str) else value.optimiser,
)
def test_a_killed_training_goes_on_to_the_same_bits(
    tmp_path: Path, network: str, recipe: Recipe
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(small.job(whole, recipe, network), small.Silent())
    assert run_script(cut, recipe, network, is_killed=True) == -signal.SIGKILL
    assert len(rows(cut)) == 1
    train(small.job(cut, recipe, network, is_resumed=True), small.Silent())
    for name in (WEIGHTS, STATE):
        expected, found = read_safetensors(whole / name), read_safetensors(cut / name)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert rows(whole) == rows(cut)


def test_another_training_is_not_gone_on_with(tmp_path: Path) -> None:
    train(small.job(tmp_path, replace(SGD, epochs=1)), small.Silent())
    other = replace(SGD, epochs=2, learning_rate=0.1, augmentation=())
    with pytest.raises(ResumeRefused) as caught:
        train(small.job(tmp_path, other, is_resumed=True), small.Silent())
    for difference in ("epochs 1 against 2", "learning_rate 0.05 against 0.1", "augmentation"):
        assert difference in str(caught.value)
    with pytest.raises(ResumeRefused, match="architecture resnet20 against vgg11"):
        train(small.job(tmp_path, SGD, "vgg11", is_resumed=True), small.Silent())


def test_a_training_that_is_done_is_left_as_it_is(tmp_path: Path) -> None:
    once = train(small.job(tmp_path, replace(SGD, epochs=1)), small.Silent())
    before = (tmp_path / WEIGHTS).read_bytes()
    again = small.job(tmp_path, replace(SGD, epochs=1), is_resumed=True)
    assert train(again, small.Silent()) == once
    assert (tmp_path / WEIGHTS).read_bytes() == before


@pytest.mark.parametrize("damage", ["truncated", "empty", "weights", "text"])
def test_a_damaged_state_is_refused(tmp_path: Path, damage: str) -> None:
    train(small.job(tmp_path, replace(SGD, epochs=1)), small.Silent())
    state = tmp_path / STATE
    content = {
        "truncated": state.read_bytes()[:-100],
        "empty": b"",
        "weights": (tmp_path / WEIGHTS).read_bytes(),
        "text": b"no safetensors",
    }
    state.write_bytes(content[damage])
    with pytest.raises(CheckpointUnreadable):
        train(small.job(tmp_path, replace(SGD, epochs=1), is_resumed=True), small.Silent())


def test_a_loss_that_is_not_finite_keeps_the_last_good_epoch(tmp_path: Path) -> None:
    recipe = replace(SGD, schedule="constant", augmentation=())
    train(small.job(tmp_path, replace(recipe, epochs=1)), small.Silent())
    good = (tmp_path / WEIGHTS).read_bytes()
    bad = small.job(tmp_path, replace(recipe, epochs=1, learning_rate=1e30))
    with pytest.raises(LossDiverged, match="in epoch 1; no epoch was finished"):
        train(bad, small.Silent())
    assert (tmp_path / WEIGHTS).read_bytes() == good
