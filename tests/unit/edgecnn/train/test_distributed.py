"""Two processes train as one: the same loss, within the rounding of sums in another order."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from unit.edgecnn.train import joint, small

from edgecnn.model.checkpoint import read_safetensors
from edgecnn.train.checkpoints import METRICS, WEIGHTS
from edgecnn.train.loop import train
from edgecnn.train.recipe import Recipe

# fp32 sums in another order differ in the last of some seven digits; three epochs of steps, each
# building on the last, make a few hundred times that of it.
LOSS, WEIGHT = 1e-3, 5e-3
RECIPE = Recipe(epochs=3, batch_size=12, learning_rate=0.05, mixup=0.2, warmup_epochs=0, clip=1.0)


def run_two(*command: str) -> subprocess.CompletedProcess[str]:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run(
        [*launch, *command], check=False, capture_output=True, text=True, timeout=300
    )


def train_two(
    folder: Path, recipe: Recipe, network: str, *, is_faulty: bool = False
) -> subprocess.CompletedProcess[str]:
    request = {
        "folder": str(folder),
        "recipe": recipe.to_json(),
        "network": network,
        "is_killed": False,
        "is_faulty": is_faulty,
    }
    return run_two(small.__file__, json.dumps(request))


def losses(folder: Path, column: str) -> list[float]:
    with (folder / METRICS).open() as file:
        return [float(row[column]) for row in csv.DictReader(file)]


@pytest.mark.slow
def test_a_step_of_two_processes_is_that_of_one() -> None:
    # In float64, where nothing is lost in the order of sums: 27 BatchNorms over twelve images
    # amplify what fp32 rounds until even one process differs from itself in float64.
    ran = run_two(joint.__file__)
    assert ran.returncode == 0, ran.stderr
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert sorted(line["rank"] for line in found) == [0, 1]
    for line in found:
        assert line["loss"] < 1e-12
        assert line["gradient"] < 1e-8
        assert line["statistics"] < 1e-12


@pytest.mark.slow
def test_two_processes_follow_the_curve_of_one(tmp_path: Path) -> None:
    recipe = replace(RECIPE, dropout=0.0)
    one, two = tmp_path / "one", tmp_path / "two"
    train(small.job(one, recipe), small.Silent())
    ran = train_two(two, recipe, "resnet20")
    assert ran.returncode == 0, ran.stderr
    for column in ("loss", "test_loss"):
        assert losses(two, column) == pytest.approx(losses(one, column), abs=LOSS)
    # 37 test images are no multiple of two processes: each is counted once.
    assert losses(two, "test_accuracy")[0] * small.TEST == pytest.approx(
        round(losses(two, "test_accuracy")[0] * small.TEST), abs=1e-3
    )
    expected, found = read_safetensors(one / WEIGHTS), read_safetensors(two / WEIGHTS)
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, atol=WEIGHT, rtol=0, msg=key)


@pytest.mark.slow
@pytest.mark.matrix
def test_auxiliary_classifiers_train_in_two_processes(tmp_path: Path) -> None:
    ran = train_two(tmp_path, replace(RECIPE, epochs=1, learning_rate=0.01), "googlenet")
    assert ran.returncode == 0, ran.stderr
    assert len(losses(tmp_path, "loss")) == 1


@pytest.mark.slow
@pytest.mark.matrix
def test_a_fault_of_one_process_stops_both(tmp_path: Path) -> None:
    # Neither may wait for the other: both find the loss of all to be no number.
    ran = train_two(tmp_path, replace(RECIPE, clip=0.0), "resnet20", is_faulty=True)
    assert ran.returncode == 1
    assert ran.stderr.count("LossDiverged: the loss became nan in epoch 1") == 2
