"""The shipped checkpoints are what docs/checkpoints.md says they are."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from edgecnn.model.build import build_network
from edgecnn.model.describe import describe
from edgecnn.model.description import read_description
from edgecnn.model.network import NetworkOptions
from edgecnn.model.resolve import resolve
from edgecnn.train.augment import Augmenter
from edgecnn.train.data import load_named
from edgecnn.train.distributed import ProcessGroup
from edgecnn.train.evaluate import evaluate

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "weights" / "edgecnn_weights").glob("*.safetensors"))
MOST_PARAMETERS, MOST_BYTES = 350_000, 15_000_000
# Another processor sums in another order: an image on the border may fall to the other side.
BORDER = 5
# A network of each set of digits and clothes; one of CIFAR-10 takes ten times as long.
ANSWERING = ("lenet5-fashion-mnist", "lenet5_relu-mnist")


def test_the_page_says_what_the_files_say() -> None:
    spec = importlib.util.spec_from_file_location("weights_train", ROOT / "weights" / "train.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    page = (ROOT / "docs" / "checkpoints.md").read_text(encoding="utf-8")
    assert module.table() in page
    named = {module.name_of(command) for command in module.commands()}
    assert {path.stem for path in FILES} <= named


def test_together_they_are_small() -> None:
    assert sum(path.stat().st_size for path in FILES) <= MOST_BYTES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_is_small_and_names_itself(path: Path) -> None:
    description = read_description(path)
    assert description is not None
    assert path.stem == f"{description.architecture}-{description.data}"
    network = describe(resolve(description.architecture), description.form, description.input)
    assert network.summary.parameters <= MOST_PARAMETERS
    assert description.training["test"]["images"] == 10_000


@pytest.mark.network
@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=pytest.mark.slow if path.stem in ANSWERING else pytest.mark.matrix)
        for path in FILES
    ],
    ids=lambda path: path.stem,
)
def test_each_answers_as_many_test_images_rightly_as_it_says(path: Path) -> None:
    description = read_description(path)
    assert description is not None
    network = build_network(resolve(str(path)), NetworkOptions(quiet=True))
    data = load_named(description.data, description.input, quiet=True)
    assert network.preprocess == data.preprocess
    assert network.labels == data.labels
    augmenter = Augmenter(data.preprocess, description.input[1:], (), torch.zeros(3, 3))
    _, right = evaluate(network.module, data.test, augmenter, ProcessGroup(0, 1))
    assert right == pytest.approx(description.training["test"]["right"], abs=BORDER)
