from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edgecnn.errors import RecipeInvalid
from edgecnn.train.recipe import RECIPES, Recipe, recipe_from_json
from edgecnn.zoo import FAMILIES


@pytest.mark.parametrize("family", RECIPES)
def test_a_recipe_is_the_same_after_json(family: str) -> None:
    recipe = RECIPES[family]
    assert recipe_from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_json_holds_every_field_by_its_name() -> None:
    document = Recipe(epochs=3, augmentation=("flip",), dropout=None).to_json()
    assert document["epochs"] == 3
    assert document["augmentation"] == ["flip"]
    assert document["dropout"] is None
    assert document["optimiser"] == "sgd"


def test_every_family_has_a_recipe() -> None:
    assert {family.name for family in FAMILIES} == set(RECIPES)


def test_differences_name_the_field_and_both_values() -> None:
    ours = Recipe(epochs=3, augmentation=())
    assert ours.differences(ours) == []
    theirs = replace(ours, epochs=4, dropout=0.5, augmentation=("crop",))
    assert ours.differences(theirs) == [
        "epochs 3 against 4",
        "augmentation () against ('crop',)",
        "dropout None against 0.5",
    ]


def test_an_unknown_augmentation_is_answered_with_those_that_are() -> None:
    with pytest.raises(RecipeInvalid, match="called rotate, cutout; there are crop, flip, jitter"):
        Recipe(augmentation=("crop", "rotate", "cutout"))


def test_a_recipe_of_another_version_is_refused_by_its_fields() -> None:
    document = Recipe().to_json()
    del document["clip"]
    with pytest.raises(RecipeInvalid, match="another version of edgecnn: clip, cutmix"):
        recipe_from_json(document | {"cutmix": 1.0})
