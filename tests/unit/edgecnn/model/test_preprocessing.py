from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from edgecnn.errors import PreprocessUnknown
from edgecnn.model.preprocessing import CHOICES, at_resolution, choose_preprocess
from edgecnn.zoo import IMAGENET, MNIST

SHAPE = (3, 96, 128)


def test_imagenet_keeps_seven_eighths_of_the_shorter_side() -> None:
    found = choose_preprocess("imagenet", (3, 224, 224))
    assert found == IMAGENET
    smaller = choose_preprocess("imagenet", (3, 160, 160))
    assert smaller is not None
    assert (smaller.resize, smaller.crop) == (183, (160, 160))


@pytest.mark.parametrize(("choice", "black", "white"), [("unit", 0.0, 1.0), ("signed", -1.0, 1.0)])
@pytest.mark.parametrize(("channels", "colour"), [(1, "L"), (3, "RGB")])
def test_plain_choices_map_grey_levels_to_their_range(
    choice: str, black: float, white: float, channels: int, colour: str
) -> None:
    found = choose_preprocess(choice, (channels, 96, 128))
    assert found is not None
    assert (found.colour, found.resize, found.crop) == (colour, (96, 128), None)
    for level, expected in ((0, black), (255, white)):
        assert (level * found.scale - found.mean[0]) / found.std[0] == pytest.approx(expected)


def test_none_is_none() -> None:
    assert choose_preprocess("none", (7, 5, 5)) is None


def test_mnist_follows_the_size_of_the_input() -> None:
    assert at_resolution(MNIST, 32, 32).resize == (32, 32)


def test_a_json_file_is_read_as_the_manifest_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(asdict(IMAGENET)))
    assert choose_preprocess(str(path), (3, 224, 224)) == IMAGENET


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read"),
        ("{", "is not a valid preprocessing"),
        ("{}", "has no field 'colour'"),
        (json.dumps(asdict(MNIST)), "makes 1 channels, the network reads 3"),
        (json.dumps(asdict(IMAGENET) | {"crop": (20_000, 20_000)}), "does not fit the network"),
        (json.dumps(asdict(IMAGENET) | {"layout": "NHWC"}), "does not fit the network"),
        (json.dumps(asdict(IMAGENET) | {"crop": None}), "resizes the shorter side alone"),
        ("[" * 100_000, "is not a valid preprocessing"),
    ],
)
def test_a_json_file_that_is_none_is_named(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "mine.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(PreprocessUnknown, match=says):
        choose_preprocess(str(path), SHAPE)


def test_an_unknown_name_is_answered_with_all() -> None:
    with pytest.raises(PreprocessUnknown, match=", ".join(CHOICES)):
        choose_preprocess("imagnet", SHAPE)


@pytest.mark.parametrize(("choice", "channels"), [("imagenet", 1), ("unit", 4), ("signed", 7)])
def test_a_choice_that_does_not_fit_the_channels_is_refused(choice: str, channels: int) -> None:
    with pytest.raises(PreprocessUnknown, match=f"does not fit an input of {channels} channels"):
        choose_preprocess(choice, (channels, 8, 8))
