"""Training as a person does it: from a folder of images to a bundle, and the mistakes made."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from e2e.conftest import Run
from PIL import Image

CLASSES = ("blue", "green", "red")
THIN = ("resnet20", "--width", "0.25", "--depth", "0.34", "--augment", "none")
TWO = (*THIN, "--data", "colours", "--epochs", "2", "--batch-size", "12", "-o", "run")


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """Noisy images of three colours, twelve of each, as a folder of class folders."""
    draw = np.random.default_rng(0)
    for channel, name in enumerate(reversed(CLASSES)):
        (tmp_path / "colours" / name).mkdir(parents=True)
        for number in range(12):
            image = draw.integers(0, 120, (32, 32, 3), np.uint8)
            image[..., channel] += 120
            Image.fromarray(image).save(tmp_path / "colours" / name / f"{number}.png")
    return tmp_path / "colours"


def refused(edgecnn: Run, *arguments: str | Path) -> str:
    """The last line on stderr of a training that is refused without a trace."""
    ran = edgecnn("train", *arguments, "-q")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""
    (line,) = ran.stderr.strip().splitlines()
    assert line.startswith("edgecnn: ")
    return line


def test_a_folder_becomes_a_checkpoint_a_curve_and_a_bundle(
    edgecnn: Run, tmp_path: Path, colours: Path
) -> None:
    ran = edgecnn("train", *TWO, "--json")
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    assert document["schema"] == "edgecnn.train/1"
    (trained,) = document["trained"]
    assert trained["form"] == {"classes": 3, "width": 0.25, "depth": 0.34}
    assert trained["test"]["images"] > 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "weights.safetensors",
        "state.safetensors",
        "metrics.csv",
        "curve.png",
    }
    with (tmp_path / "run" / "metrics.csv").open() as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1", "2"]

    # What was trained is exported without another word: form, classes, labels, preprocessing.
    ran = edgecnn("export", "run/weights.safetensors", "-q")
    assert ran.returncode == 0, ran.stderr
    ran = edgecnn("run", "resnet20.edge", colours / "red" / "0.png", "--json")
    (image,) = json.loads(ran.stdout)["images"]
    assert {found["label"] for found in image["classes"]} == set(CLASSES)

    # A training that is there is neither overwritten nor continued as another one.
    assert "--resume continues it" in refused(edgecnn, *TWO)
    line = refused(edgecnn, *TWO, "--resume", "--seed", "1")
    assert "seed 0 against 1" in line

    # The checkpoint of other classes, another form and another network.
    (tmp_path / "colours" / "black").mkdir()
    for number in range(12):
        Image.new("RGB", (32, 32)).save(tmp_path / "colours" / "black" / f"{number}.png")
    more = (*TWO[:-1], "more", "--init-from", "run/weights.safetensors")
    assert "3 classes, this training 4; --reset-head" in refused(edgecnn, *more)
    ran = edgecnn("train", *more, "--reset-head")
    assert ran.returncode == 0, ran.stderr
    assert "the last layer begins anew: 3 classes there, 4 here" in ran.stderr
    line = refused(edgecnn, "vgg11", *more[1:])
    assert "is of resnet20, not of vgg11" in line
    ran = edgecnn("export", "resnet20", "--weights", "run/weights.safetensors", "--width", "1")
    assert "has width 0.25, --width says 1" in ran.stderr


@pytest.mark.usefixtures("colours")
def test_a_curve_that_cannot_be_drawn_is_named_before_the_training(
    fresh_edgecnn: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['matplotlib'] = None")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    ran = fresh_edgecnn("train", *TWO)
    assert ran.returncode == 0, ran.stderr
    note = ran.stderr.index("no curve is drawn: that needs matplotlib")
    assert note < ran.stderr.index("epoch")
    assert not (tmp_path / "run/curve.png").exists()


def test_a_loss_that_becomes_infinite_stops_the_training(
    edgecnn: Run, tmp_path: Path, colours: Path
) -> None:
    line = refused(edgecnn, *TWO, "--lr", "1e30", "--schedule", "constant")
    assert "in epoch 1" in line
    assert "lower --learning-rate" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--classes", "2"), "label 2, expected 0 to 1 for 2 classes"),
        (("--width", "0.01"), "width 0.01 leaves none of 16 channels"),
        (("--input", "1x2x32x32"), "2 channels"),
        (("--phi", "1"), "resnet20 has no phi to set"),
        (("--augment", "crop,rotate"), "no augmentation is called rotate; there are crop, flip"),
        (("--data", "nowhere"), "nowhere"),
        (("--init-from", "none.safetensors"), "none.safetensors is missing"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(
    edgecnn: Run, colours: Path, arguments: tuple[str, ...], said: str
) -> None:
    assert said in refused(edgecnn, *TWO, *arguments)


def test_a_network_that_is_no_vgg_has_no_chain(edgecnn: Run, colours: Path) -> None:
    assert "resnet20 is not a VGG" in refused(edgecnn, *TWO, "--progressive")


@pytest.mark.slow
def test_a_vgg_is_trained_from_the_shallower_ones(
    edgecnn: Run, tmp_path: Path, colours: Path
) -> None:
    thin = ("--width", "0.0625", "--stem", "small", "--input", "1x3x32x32", "--lr", "0.01")
    options = (*thin, "--data", "colours", "--epochs", "1", "-o", "run", "--progressive")
    ran = edgecnn("train", "vgg16", *options)
    assert ran.returncode == 0, ran.stderr
    assert "begins with the layers of weights.safetensors; 3 convolutions" in ran.stderr
    folders = {path.name for path in tmp_path.iterdir()} - {"colours"}
    assert folders == {"run-vgg11", "run-vgg13", "run"}
