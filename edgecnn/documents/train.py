"""A trained network in the JSON document of ``edgecnn train``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecnn.train.recipe import Recipe, recipe_from_json


@dataclass(frozen=True)
class TestAccuracy:
    """Accuracy on the test images after the last epoch.

    Attributes:
        images: number of test images.
        right: images whose class is the likeliest.
        accuracy: `right` as a share.
    """

    images: int
    right: int
    accuracy: float


@dataclass(frozen=True)
class TrainedFields:
    """A network that was trained.

    Attributes:
        weights: path of the checkpoint.
        architecture: name in the zoo, or ``package.module:factory``.
        form: options of the network, such as its width.
        data: name of the data set.
        is_quantised: the training was in 8 bits.
        recipe: every hyperparameter.
        epochs: that were trained.
        test: accuracy on the test images.
        seconds: of all epochs.
    """

    weights: str
    architecture: str
    form: Mapping[str, Any]
    data: str
    is_quantised: bool
    recipe: Recipe
    epochs: int
    test: TestAccuracy
    seconds: float


def trained_fields(result: Mapping[str, Any]) -> TrainedFields:
    """The result of `edgecnn.train.run.run` as a document has it."""
    parts = {
        "recipe": recipe_from_json(result["recipe"]),
        "test": TestAccuracy(**result["test"]),
    }
    return TrainedFields(**{**result, **parts})
