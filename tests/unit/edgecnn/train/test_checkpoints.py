"""A state is read as it was written, or refused with what is wrong with it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from unit.edgecnn.train import small

from edgecnn.errors import CheckpointUnreadable, ResumeRefused
from edgecnn.model.checkpoint import read_safetensors
from edgecnn.model.description import read_header
from edgecnn.train.checkpoints import (
    STATE,
    optimiser_tensors,
    read_state,
    restore_optimiser,
    summarise_labels,
    write_tensors,
)
from edgecnn.train.dataset import Split
from edgecnn.train.loop import train
from edgecnn.train.optimise import make_optimiser
from edgecnn.train.recipe import Recipe

RECIPE = Recipe(epochs=1, batch_size=24, learning_rate=0.01, ema=0.9)

Document = dict[str, Any]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train(small.job(folder, RECIPE), small.Silent())
    return folder


def rewritten(trained: Path, folder: Path, change: Callable[[Document, Document], object]) -> Path:
    """The trained state with its description and tensors changed."""
    document = copy.deepcopy(read_header(trained / STATE)) or {}
    tensors = dict(read_safetensors(trained / STATE))
    change(document, tensors)
    write_tensors(folder / STATE, tensors, document)
    return folder / STATE


def test_a_state_tells_what_was_trained(trained: Path) -> None:
    state = read_state(trained / STATE)
    assert (state.recipe, state.processes) == (RECIPE, 1)
    assert [row.epoch for row in state.history] == [1]
    assert state.data == summarise_labels(small.noise())
    assert state.network.keys() == state.average.keys()
    assert not state.differences(state)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda document, _: document.pop("recipe"), "'recipe' is missing"),
        (lambda document, _: document.pop("history"), "'history' is missing"),
        (lambda document, _: document.update(history=[{"epoch": 1}]), "missing"),
        (lambda document, _: document.update(history=[5]), "not a training state"),
        (lambda document, _: document.update(processes="two"), "two"),
        (
            lambda document, _: document.update(data={"training": 5, "test": 5}),
            "not a training state",
        ),
        (lambda document, _: document.update(description=[1]), "not a training state"),
        (lambda document, _: document["recipe"].pop("seed"), "seed"),
        (lambda document, _: document.update(schema="edgecnn.training/1"), "training/1"),
        (lambda _, tensors: tensors.update({"what.0": torch.zeros(1)}), "'what'"),
    ],
)
def test_a_description_that_is_not_ours_is_refused(
    trained: Path, tmp_path: Path, change: Callable[[Document, Document], object], said: str
) -> None:
    state = rewritten(trained, tmp_path, change)
    with pytest.raises(CheckpointUnreadable, match=said) as caught:
        train(small.job(tmp_path, RECIPE, is_resumed=True), small.Silent())
    assert str(state) in str(caught.value)


@pytest.mark.parametrize(
    "key",
    ["network.conv1.weight", "average.fc.bias", "optimiser.0.momentum_buffer"],
)
@pytest.mark.parametrize("damage", ["missing", "shape"])
def test_tensors_of_another_network_are_refused(
    trained: Path, tmp_path: Path, key: str, damage: str
) -> None:
    def change(_: Document, tensors: Document) -> None:
        value = tensors.pop(key)
        if damage == "shape":
            tensors[key] = value[..., :-1]
        elif key.startswith("optimiser"):
            tensors["optimiser.0.exp_avg"] = value

    rewritten(trained, tmp_path, change)
    with pytest.raises(CheckpointUnreadable, match="another shape"):
        train(small.job(tmp_path, RECIPE, is_resumed=True), small.Silent())


def test_other_images_are_another_training(trained: Path, tmp_path: Path) -> None:
    (tmp_path / STATE).write_bytes((trained / STATE).read_bytes())
    job = small.job(tmp_path, RECIPE, is_resumed=True)
    data = job.dataset
    fewer = replace(data, test=Split(data.test.images, data.test.labels[:-1]))
    with pytest.raises(ResumeRefused, match="test images 37 against 36"):
        train(replace(job, dataset=fewer), small.Silent())
    turned = replace(data, train=Split(data.train.images, data.train.labels[::-1]))
    with pytest.raises(ResumeRefused, match="the labels of the training images, or their order"):
        train(replace(job, dataset=turned), small.Silent())


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_an_optimiser_goes_on_with_its_momenta(name: str) -> None:
    torch.manual_seed(0)
    network = nn.Linear(3, 2)
    unused = nn.Parameter(torch.zeros(1))
    network.register_parameter("unused", unused)
    recipe = Recipe(optimiser=name, learning_rate=0.1)
    one = make_optimiser(network, recipe)
    for _ in range(2):
        one.zero_grad()
        torch.autograd.backward(network(torch.ones(1, 3)).square().sum())
        one.step()
    kept = optimiser_tensors(one)
    two = make_optimiser(network, recipe)
    restore_optimiser(two, kept, Path("state"))
    again = optimiser_tensors(two)
    assert kept.keys() == again.keys()
    assert all(torch.equal(kept[key], again[key]) for key in kept)


def test_a_header_is_json_that_others_can_read(trained: Path) -> None:
    from safetensors import safe_open

    with safe_open(trained / STATE, "pt") as file:
        assert json.loads(file.metadata()["edgecnn"])["schema"] == "edgecnn.training/2"
