"""The state of a learning session: another session goes on from it to the same bundle."""

from __future__ import annotations

from pathlib import Path

import pytest
from learning_bundles import Recipe, learning_contents, pictures

import edgecnn_runtime as edge
from edgecnn_runtime.bundle.safetensors import read_safetensors, write_safetensors
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import EngineError, LearningFailed

RECIPES = [Recipe(), Recipe("adam"), Recipe(is_int8=True)]


def written(folder: Path, recipe: Recipe) -> Path:
    write_bundle(folder / "learning.edge", *learning_contents(recipe))
    return folder / "learning.edge"


def learn(model: edge.Session, first: int, last: int) -> None:
    assert isinstance(model, edge.LearningSession)
    for number in range(first, last):
        model.learn(*pictures(8, seed=100 + number), learning_rate=0.1 + 0.01 * number)


@pytest.mark.parametrize("recipe", RECIPES)
def test_another_session_goes_on_to_the_same_bytes(tmp_path: Path, recipe: Recipe) -> None:
    path = written(tmp_path, recipe)
    with edge.open(path, learn=True) as model:
        learn(model, 0, 5)
        kept = write_safetensors(model.state())
        learn(model, 5, 9)
        model.save(tmp_path / "whole.edge")
    with edge.open(path, learn=True) as model:
        learn(model, 20, 23)
        model.restore(read_safetensors(kept))
        assert model.steps == 5
        learn(model, 5, 9)
        model.save(tmp_path / "resumed.edge")
    assert (tmp_path / "resumed.edge").read_bytes() == (tmp_path / "whole.edge").read_bytes()


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_restored_session_answers_as_it_did(tmp_path: Path, recipe: Recipe) -> None:
    images, _ = pictures(6, seed=3)
    with edge.open(written(tmp_path, recipe), learn=True) as model:
        learn(model, 0, 4)
        model.see_ranges()
        state, before = model.state(), model.run({"input": images})["logits"]
        learn(model, 4, 8)
        assert (model.run({"input": images})["logits"] != before).any()
        model.restore(state)
        assert (model.run({"input": images})["logits"] == before).all()


def test_a_state_is_a_copy(tmp_path: Path) -> None:
    with edge.open(written(tmp_path, Recipe()), learn=True) as model:
        state = model.state()
        before = {name: array.tobytes() for name, array in state.items()}
        learn(model, 0, 2)
        assert {name: array.tobytes() for name, array in state.items()} == before


def test_the_state_of_another_bundle_is_refused(tmp_path: Path) -> None:
    with edge.open(written(tmp_path, Recipe()), learn=True) as model:
        learn(model, 0, 2)
        state = model.state()
        with pytest.raises(LearningFailed, match="is missing or of another shape"):
            model.restore({name: array for name, array in state.items() if "momentum" not in name})
        assert model.steps == 2
    with pytest.raises(EngineError, match="closed"):
        model.restore(state)
