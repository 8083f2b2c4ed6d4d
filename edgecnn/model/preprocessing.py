"""Preprocessing of a user's own network: by name, from a JSON file, or as a value."""

from __future__ import annotations

import difflib
import json
from dataclasses import replace
from pathlib import Path

from edgecnn.errors import PreprocessUnknown
from edgecnn.text_file import read_text
from edgecnn.zoo import IMAGENET, MNIST
from edgecnn_runtime.bundle.preprocess_json import check_fits, preprocess_from_json
from edgecnn_runtime.errors import ManifestInvalid
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

CHOICES = {
    "imagenet": "resize, centre crop of 7/8, ImageNet's mean and deviation (torchvision's)",
    "unit": "resize to the input, grey levels to 0…1",
    "signed": "resize to the input, grey levels to -1…1",
    "mnist": "resize to the input, MNIST's mean and deviation",
    "none": "none: the bundle takes arrays only",
}


def choose_preprocess(choice: str | Preprocess, shape: tuple[int, int, int]) -> Preprocess | None:
    """The preprocessing called `choice`, or the one in that JSON file, for an input of `shape`.

    One that is given as a value is checked alike.

    Args:
        shape: (channels, height, width).

    Raises:
        PreprocessUnknown: no such name or file, or it does not fit the channels.
    """
    channels, height, width = shape
    if isinstance(choice, Preprocess):
        return _fitting(choice, "the preprocessing", shape)
    if choice == "none":
        return None
    if choice.endswith(".json"):
        return _read(Path(choice), shape)
    check_choice(choice)
    if channels not in (1, 3) or (choice == "imagenet" and channels != 3):
        raise PreprocessUnknown(
            f"preprocessing {choice!r} does not fit an input of {channels} channels; "
            "give --preprocess none, or give a .json file"
        )
    if choice == "imagenet":
        return at_resolution(IMAGENET, height, width)
    if choice == "mnist":
        return at_resolution(MNIST, height, width)
    mean, std = (0.0, 1.0) if choice == "unit" else (0.5, 0.5)
    return Preprocess(
        colour="L" if channels == 1 else "RGB",
        resize=(height, width),
        filter="bilinear",
        crop=None,
        scale=1 / 255,
        mean=(mean,) * channels,
        std=(std,) * channels,
    )


def check_choice(choice: str) -> None:
    """Check that a preprocessing has that name, or that its JSON file is there.

    Raises:
        PreprocessUnknown: it has not; offers the nearest name.
    """
    if choice.endswith(".json"):
        if not Path(choice).exists():
            raise PreprocessUnknown(f"{choice} cannot be read: No such file or directory")
        return
    if choice not in CHOICES:
        near = difflib.get_close_matches(choice.lower(), CHOICES, 1, 0.6)
        offer = f"did you mean {near[0]}?" if near else f"choose {', '.join(CHOICES)},"
        raise PreprocessUnknown(
            f"no preprocessing is called {choice!r}; {offer} "
            + (f"There are {', '.join(CHOICES)}, " if near else "")
            + "or a .json file"
        )


def at_resolution(preprocess: Preprocess, height: int, width: int) -> Preprocess:
    """The preprocessing for an input of another size: a crop stays the same share of the image."""
    if preprocess.crop is None:
        return replace(preprocess, resize=(height, width))
    if not isinstance(preprocess.resize, int):
        return replace(preprocess, crop=(height, width))
    shorter = round(min(height, width) * preprocess.resize / min(preprocess.crop))
    return replace(preprocess, resize=shorter, crop=(height, width))


def _read(path: Path, shape: tuple[int, int, int]) -> Preprocess:
    try:
        preprocess = preprocess_from_json(json.loads(read_text(path)), str(path))
    except OSError as error:
        raise PreprocessUnknown(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError, ManifestInvalid) as error:
        raise PreprocessUnknown(f"{path} is not a valid preprocessing: {error}") from error
    return _fitting(preprocess, str(path), shape)


def _fitting(preprocess: Preprocess, name: str, shape: tuple[int, int, int]) -> Preprocess:
    """The preprocessing itself, where it makes what the network reads."""
    own = 1 if preprocess.colour == "L" else 3
    if own != shape[0]:
        raise PreprocessUnknown(f"{name} makes {own} channels, the network reads {shape[0]}")
    if isinstance(preprocess.resize, int) and preprocess.crop is None:
        raise PreprocessUnknown(
            f"{name} resizes the shorter side alone, which makes inputs of any size; add a crop, "
            "or resize to [height, width]"
        )
    try:
        check_fits(preprocess, TensorSpec("input", "float32", (None, *shape)))
    except ManifestInvalid as error:
        raise PreprocessUnknown(f"{name} does not fit the network: {error}") from error
    return preprocess
