"""`Bundle.learn`: labelled images of a program, a folder or a loader make a new bundle."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from learning_bundles import LABELS, Recipe, learning_contents, pictures
from torch.utils.data import DataLoader, TensorDataset

import edgecnn
from edgecnn.errors import ArgumentInvalid, DataUnreadable, OptionsRefused
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import NotAClassifier, NotTrainable

IMAGES, NUMBERS = pictures(60, seed=5)


@pytest.fixture
def bundle(tmp_path: Path) -> edgecnn.Bundle:
    """A bundle whose head learns colours, in float and int8."""
    write_bundle(tmp_path / "colours.edge", *learning_contents(Recipe(is_int8=True)))
    return edgecnn.open_bundle(tmp_path / "colours.edge")


def photographs() -> list[tuple[np.ndarray, str]]:
    """Images (H, W, 3) of noise about a colour, with its name."""
    random = np.random.default_rng(0)
    made = []
    for place in range(30):
        levels = random.integers(0, 100, (9, 9, 3)).astype(np.uint8)
        levels[..., place % 3] += np.uint8(120)
        made.append((levels, LABELS[place % 3]))
    return made


def test_a_loader_of_inputs_and_numbers_is_learnt(bundle: edgecnn.Bundle) -> None:
    data = TensorDataset(torch.from_numpy(IMAGES), torch.from_numpy(NUMBERS))
    result = bundle.learn(DataLoader(data, batch_size=7), epochs=8, learning_rate=0.5)
    assert result.path == bundle.path.with_name("colours.learnt.edge")
    assert edgecnn.open_bundle(result.path).labels == LABELS
    assert result.learnt.images + result.learnt.held_out == len(IMAGES)
    assert 9 <= result.learnt.held_out <= 15
    fp32, int8 = result.learnt.rows
    for row in (fp32, int8):
        assert row.before is not None
        assert row.before.share < 0.8 < row.after.share
        assert row.paired is not None
        assert row.paired.wrong_to_right - row.paired.right_to_wrong == (
            row.after.count - row.before.count
        )
    assert "held-out images, which chose the epoch too" in str(result)
    assert "<table>" in result._repr_html_()
    assert [row["precision"] for row in result.rows()] == ["fp32", "int8"]
    assert result.to_dict()["schema"] == "edgecnn.learn/1"


def test_pairs_of_images_and_names_are_learnt(
    bundle: edgecnn.Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    data = [*photographs(), (Path("missing.png"), "red")]
    with caplog.at_level(logging.WARNING, "edgecnn"):
        result = bundle.learn(data, epochs=2, output=bundle.path.with_name("new.edge"))
    assert result.path.name == "new.edge"
    assert result.learnt.broken == 1
    assert "1 of 31 images cannot be read, left out:" in caplog.text
    renamed = [(image, f"{name} thing") for image, name in photographs()]
    other = bundle.learn(renamed, epochs=1, output=bundle.path.with_name("things.edge"))
    assert edgecnn.open_bundle(other.path).labels == ("blue thing", "green thing", "red thing")
    assert other.learnt.rows[0].before is None


def test_what_cannot_be_learnt_is_refused(bundle: edgecnn.Bundle) -> None:
    pairs = list(zip(IMAGES, NUMBERS, strict=True))
    with pytest.raises(DataUnreadable, match="item 0 has the label 3, expected 0 to 2"):
        bundle.learn([(IMAGES[0], 3), *pairs])
    with pytest.raises(DataUnreadable, match=r"of one class \(red\), expected two"):
        bundle.learn([(image, "red") for image in IMAGES])
    with pytest.raises(DataUnreadable, match=r"labels that are names .* and labels that are"):
        bundle.learn([(IMAGES[0], "red"), *pairs])
    with pytest.raises(DataUnreadable, match="item 0 has no label"):
        bundle.learn(IMAGES)
    with pytest.raises(OptionsRefused, match="--batch 60 is more than the"):
        bundle.learn(pairs, batch=60)
    with pytest.raises(ArgumentInvalid, match="held_out"):
        bundle.learn(pairs, held_out=1.0)
    with pytest.raises(ArgumentInvalid, match="labels"):
        bundle.learn(pairs, labels="mine")  # type: ignore[arg-type]
    with pytest.raises(ArgumentInvalid, match="resume is 1"):
        bundle.learn(pairs, resume=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"preprocess": None}, NotAClassifier, "carries no preprocessing"),
        ({"loss": "mean_squared_error"}, OptionsRefused, "learns by mean_squared_error"),
    ],
)
def test_a_bundle_that_is_no_classifier_of_images_is_refused(
    tmp_path: Path, changed: dict[str, Any], error: type[Exception], says: str
) -> None:
    manifest, files = learning_contents(Recipe())
    assert manifest.training is not None
    if "loss" in changed:
        changed = {"training": replace(manifest.training, **changed)}
    write_bundle(tmp_path / "other.edge", replace(manifest, **changed), files)
    with pytest.raises(error, match=says):
        edgecnn.open_bundle(tmp_path / "other.edge").learn(zip(IMAGES, NUMBERS, strict=True))


def test_a_bundle_without_a_training_graph_says_how_to_make_one(exported: edgecnn.Bundle) -> None:
    with pytest.raises(NotTrainable, match="edgecnn export MODEL --learn head writes one"):
        exported.learn(zip(IMAGES, NUMBERS, strict=True))
