"""Training in 8 bits, as its loop, its checkpoints and the export see it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from unit.edgecnn.train.small import Silent

from edgecnn.errors import CheckpointMismatch, ResumeRefused
from edgecnn.exporting.plan import ExportOptions, plan
from edgecnn.exporting.plan_words import plan_words
from edgecnn.exporting.quantise import QuantiseOptions
from edgecnn.model.build import build_network
from edgecnn.model.checkpoint import read_safetensors
from edgecnn.model.description import read_description, read_header
from edgecnn.model.network import NetworkOptions
from edgecnn.model.resolve import Checkpoint, ZooNetwork, resolve
from edgecnn.model.trained_numbers import KEY
from edgecnn.model.weights import shipped
from edgecnn.train.checkpoints import WEIGHTS
from edgecnn.train.dataset import Split
from edgecnn.train.loop import train
from edgecnn.train.options import TrainOptions
from edgecnn.train.plan import prepare
from edgecnn.train.run import run
from edgecnn.zoo import Form
from edgecnn_exporters.quantise.trainable.network import TrainableNetwork

SMALL = {"epochs": 2, "batch_size": 12, "augmentation": ()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of three colours, and a thin network trained on them."""
    folder = tmp_path_factory.mktemp("quantised")
    draw = np.random.default_rng(0)
    for channel, name in enumerate("abc"):
        (folder / "colours" / name).mkdir(parents=True)
        for number in range(20):
            image = draw.integers(0, 120, (32, 32, 3), np.uint8)
            image[..., channel] += 100
            Image.fromarray(image).save(folder / "colours" / name / f"{number}.png")
    run(prepare(floats(folder))[0], Silent())
    return folder


def floats(folder: Path) -> TrainOptions:
    form = Form(None, 0.25, 0.34, None, None)
    data, output = str(folder / "colours"), folder / "float"
    return TrainOptions("resnet20", data, output, form, recipe=SMALL, quiet=True)


def in_eight_bits(folder: Path, name: str) -> TrainOptions:
    begin = folder / "float" / WEIGHTS
    options = replace(floats(folder), form=Form(), output=folder / name, init_from=begin)
    return replace(options, is_quantised=True, recipe=SMALL | {"learning_rate": 1e-3})


@pytest.fixture(scope="module")
def trained(folder: Path):  # type: ignore[no-untyped-def]
    """A job that has run, the encodings that it began with, and its result."""
    job, notes = prepare(in_eight_bits(folder, "int8"))
    assert any("in 8 bits: SQNR" in note for note in notes)
    assert isinstance(job.network, TrainableNetwork)
    before = job.network.numbers().activations
    return job, before, run(job, Silent())


def test_a_checkpoint_holds_the_scales_that_were_trained(folder: Path, trained) -> None:  # type: ignore[no-untyped-def]
    job, before, result = trained
    numbers = job.network.numbers()
    assert numbers.activations != before
    source = resolve(result["weights"])
    assert isinstance(source, Checkpoint)
    network = build_network(source, NetworkOptions(quiet=True))
    assert network.trained is not None
    assert network.trained.activations == numbers.activations
    for name, weight in numbers.weights.items():
        np.testing.assert_array_equal(network.trained.scales[name], weight.scale)
    planned = plan(ExportOptions(source, folder / "x.edge", quantise=QuantiseOptions()))
    assert "int8, scales from training" in plan_words(planned)["quantise"]
    header = read_header(Path(result["weights"]))
    assert header is not None
    assert set(header["quantised"]) == {"init_from"}
    assert header[KEY]["weight_bits"] == 8
    x = torch.from_numpy(np.concatenate(list(job.method.training.samples)))
    with torch.no_grad():
        own, plain = job.network.eval()(x), network.module.eval()(x)
    assert (own - plain).std() < 0.1 * own.std()


class Interrupted(Silent):
    def step(self, epoch: int, done: float, loss: float, accuracy: float, rate: float) -> None:
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.matrix
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_an_interrupted_training_ends_as_one_that_was_not(folder: Path, ema: float) -> None:
    names = ("whole", f"broken{ema}")
    options = [in_eight_bits(folder, f"{name}{ema}") for name in names]
    whole, broken = (replace(o, recipe=dict(o.recipe) | {"ema": ema}) for o in options)
    run(prepare(whole)[0], Silent())
    with pytest.raises(KeyboardInterrupt):
        run(prepare(broken)[0], Interrupted())
    run(prepare(replace(broken, is_resumed=True))[0], Silent())
    ours, theirs = (read_safetensors(each.output / WEIGHTS) for each in (whole, broken))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
    documents = [read_header(each.output / WEIGHTS) for each in (whole, broken)]
    assert documents[0] is not None
    assert documents[1] is not None
    assert documents[0][KEY] == documents[1][KEY]


def test_a_float_training_is_not_continued_in_8_bits(folder: Path, trained) -> None:  # type: ignore[no-untyped-def]
    job, _, _ = trained
    with pytest.raises(ResumeRefused, match="quantised None against"):
        train(replace(job, folder=folder / "float", is_resumed=True), Silent())


def test_the_loss_is_least_where_the_teacher_is_met(trained) -> None:  # type: ignore[no-untyped-def]
    method = trained[0].method
    x = torch.randn(4, 3, 32, 32)
    batch = type("Batch", (), {"x": x, "target": torch.tensor([0, 1, 2, 0]), "mix": 1.0})()
    with torch.no_grad():
        logits = method.teacher(x)
    best = method.loss(logits, batch)
    for other in (logits + torch.randn(4, 3), -logits):
        assert method.loss(other, batch) > best


def other_classes(folder: Path) -> Path:
    """A network of the zoo that tells ten classes apart."""
    return shipped("resnet20")["cifar10"]


def test_a_checkpoint_of_another_network_is_refused(folder: Path) -> None:
    options = replace(in_eight_bits(folder, "refused"), name="vgg11")
    with pytest.raises(CheckpointMismatch, match="is of resnet20, not of vgg11"):
        prepare(options)


def test_a_checkpoint_of_other_classes_is_refused(folder: Path) -> None:
    options = replace(in_eight_bits(folder, "refused"), init_from=other_classes(folder))
    with pytest.raises(CheckpointMismatch, match="tells 10 classes apart, colours has 3"):
        prepare(options)


def test_a_teacher_of_other_classes_is_refused(folder: Path) -> None:
    options = replace(in_eight_bits(folder, "refused"), teacher=other_classes(folder))
    with pytest.raises(CheckpointMismatch, match=r"tells 10 classes .* apart, the network 3"):
        prepare(options)


def test_a_checkpoint_that_is_trained_in_8_bits_is_no_beginning(folder: Path, trained) -> None:  # type: ignore[no-untyped-def]
    begin = Path(trained[2]["weights"])
    options = replace(in_eight_bits(folder, "again"), init_from=begin)
    with pytest.raises(CheckpointMismatch, match="is trained in 8 bits already"):
        prepare(options)
    ordinary = replace(options, is_quantised=False, form=floats(folder).form)
    with pytest.raises(CheckpointMismatch, match="is trained in 8 bits already"):
        prepare(ordinary)


def test_a_network_that_tells_other_classes_apart_than_the_data_is_refused(folder: Path) -> None:
    """As a network of one's own: its weights do not say what its classes are."""
    begin = folder / "plain.pth"
    built = resolve("resnet20")
    assert isinstance(built, ZooNetwork)
    module = built.architecture.build(classes=5, width=0.25, depth=0.34)
    torch.save(module.state_dict(), begin)
    form = Form(5, 0.25, 0.34, None, None)
    options = replace(in_eight_bits(folder, "refused"), init_from=begin, form=form)
    with pytest.raises(CheckpointMismatch, match=r"with \(1, 5\), expected \(1, 3\), a number for"):
        prepare(options)


@pytest.mark.network
@pytest.mark.slow
def test_training_in_8_bits_keeps_the_accuracy_of_the_float_network(tmp_path: Path) -> None:
    """LeNet-5 with one scale for each activation, on a few of MNIST's images."""
    begin = shipped("lenet5")["mnist"]
    options = TrainOptions("lenet5", "mnist", tmp_path / "run", recipe={"epochs": 1}, quiet=True)
    job, _ = prepare(replace(options, init_from=begin, is_quantised=True))
    few = [first_images(split, 2_000) for split in (job.dataset.train, job.dataset.test)]
    job = replace(job, dataset=replace(job.dataset, train=few[0], test=few[1]))
    result = run(job, Silent())
    described = read_description(begin)
    assert described is not None
    whole = described.training["test"]
    floats = whole["right"] / whole["images"]
    assert result["test"]["accuracy"] > floats - 0.006, "of 2,000 images, 12"


def first_images(split: Split, count: int) -> Split:
    """The first images of a split."""
    return Split(split.images, split.labels[:count])
