from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import contents
from learning_bundles import (
    HEAD,
    LABELS,
    SIZE,
    Recipe,
    features_of,
    float_model,
    head_gradient,
    learning_contents,
    pictures,
    weights,
)

import edgecnn_runtime as edge
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.errors import (
    EngineError,
    FeedError,
    ImageError,
    LearningFailed,
    ManifestInvalid,
    NotTrainable,
    OverBudget,
)
from edgecnn_runtime.manifest import Manifest

Edit = Callable[[Manifest], Manifest]


def written(folder: Path, recipe: Recipe = HEAD, edit: Edit = lambda m: m) -> Path:
    manifest, files = learning_contents(recipe)
    path = folder / "learning.edge"
    write_bundle(path, edit(manifest), files)
    return path


def photograph(label: int) -> Array:
    """An image (H, W, 3) of one colour."""
    image = np.full((9, 12, 3), 40, np.uint8)
    image[..., label] = 220
    return image


def accuracy(model: edge.Session) -> float:
    images, labels = pictures(60, seed=77)
    logits = model.run({"input": images})["logits"]
    return float((logits.argmax(axis=1) == labels).mean())


@pytest.mark.parametrize("recipe", [Recipe(), Recipe("adam"), Recipe(is_int8=True)])
def test_a_network_learns_and_answers_with_it(tmp_path: Path, recipe: Recipe) -> None:
    with edge.open(written(tmp_path, recipe), learn=True) as model:
        assert isinstance(model, edge.LearningSession)
        assert accuracy(model) < 0.7
        losses = [model.learn(*pictures(16, seed=100 + number)) for number in range(40)]
        assert losses[-1] < losses[0] / 2
        assert accuracy(model) > 0.9
        assert model.steps == 40


def test_the_answers_are_those_of_a_network_with_the_learnt_weights(tmp_path: Path) -> None:
    images, labels = pictures(5)
    values = weights()
    features = features_of(images, values)
    _, weight, bias = head_gradient(features, labels, values["head.weight"], values["head.bias"])
    decay = np.float32(0.01)
    values["head.weight"] = values["head.weight"] * (1 - decay / 2) - (weight / 2).astype("f4")
    values["head.bias"] = values["head.bias"] * (1 - decay / 2) - (bias / 2).astype("f4")
    expected = OnnxRuntimeEngine.open(float_model(values)).run({"input": images})["logits"]
    with edge.open(written(tmp_path), learn=True) as model:
        before = model.run({"input": images})["logits"]
        model.learn(images, labels, learning_rate=0.5)
        after = model.run({"input": images})["logits"]
    np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(before, expected, rtol=1e-2)


@pytest.mark.parametrize(
    "labels",
    [
        [2, 0],
        (2, 0),
        ["blue", "red"],
        ["blue", 0],
        np.array([2, 0], np.uint8),
        np.array(["blue", "red"]),
    ],
)
def test_labels_are_numbers_or_names(tmp_path: Path, labels: Any) -> None:
    photographs = [photograph(2), photograph(0)]
    with edge.open(written(tmp_path), learn=True) as model:
        inputs = model.preprocess(photographs)
        expected = head_gradient(
            features_of(inputs, weights()),
            np.array([2, 0]),
            weights()["head.weight"],
            weights()["head.bias"],
        )[0]
        assert model.learn(photographs, labels) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("label", [1, "green", [1], np.int64(1)])
def test_one_image_is_a_batch_of_one(tmp_path: Path, label: Any) -> None:
    losses = []
    for as_image in (True, False):
        with edge.open(written(tmp_path), learn=True) as model:
            image = photograph(1)
            losses.append(model.learn(image if as_image else model.preprocess(image)[0], label))
    assert losses[0] == losses[1]


def test_frames_of_opencv_are_named_by_their_colour(tmp_path: Path) -> None:
    losses = []
    for image, colour in ((photograph(0), "RGB"), (photograph(0)[..., ::-1], "BGR")):
        with edge.open(written(tmp_path), learn=True) as model:
            losses.append(model.learn(image, 0, colour=colour))  # type: ignore[arg-type]
    assert losses[0] == losses[1]


IMAGES = pictures(3)[0]
BAD: dict[str, tuple[Any, Any, type[Exception], str]] = {
    "a label out of range": (IMAGES, [0, 1, 3], LearningFailed, "3 is out of range: the network"),
    "a negative label": (IMAGES, [0, -1, 2], LearningFailed, "-1 is out of range"),
    "a name of no class": (IMAGES, ["red", "mug", "red"], LearningFailed, "'mug' is no class"),
    "too few labels": (IMAGES, [0, 1], LearningFailed, r"shape \(2,\) for 3 images"),
    "labels in two axes": (IMAGES, [[0], [1], [2]], LearningFailed, r"shape \(3, 1\)"),
    "labels of two lengths": (IMAGES, [[0, 1], [2]], LearningFailed, "labels are no array"),
    "labels that are fractions": (IMAGES, [0.0, 1.0, 2.0], LearningFailed, "labels are float64"),
    "labels that are truth": (IMAGES, [True, False, True], LearningFailed, "labels are bool"),
    "no labels": (IMAGES, [], LearningFailed, "labels are float64"),
    "labels that are None": (IMAGES, None, LearningFailed, "labels are object"),
    "NaN in an image": (IMAGES * np.float32(np.nan), [0, 1, 2], LearningFailed, "NaN or infinity"),
    "infinity in an image": (
        IMAGES + np.float32(np.inf),
        [0, 1, 2],
        LearningFailed,
        "NaN or infinity",
    ),
    "images of another size": (IMAGES[..., :4], [0, 1, 2], FeedError, "has shape 3x3x6x4"),
    "no images": (IMAGES[:0], [], FeedError, "has shape 0x3x6x6"),
    "inputs of float64": (IMAGES.astype(np.float64), [0, 1, 2], ImageError, "float64"),
    "an empty list": ([], [], ImageError, "holds no images"),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("case", BAD)
def test_a_batch_that_does_not_fit_changes_nothing(tmp_path: Path, case: str) -> None:
    images, labels, error, says = BAD[case]
    with edge.open(written(tmp_path), learn=True) as model:
        before = model.run({"input": IMAGES})["logits"]
        with pytest.raises(error, match=says):
            model.learn(images, labels)
        assert model.steps == 0
        np.testing.assert_array_equal(model.run({"input": IMAGES})["logits"], before)
        model.learn(IMAGES, [0, 1, 2])


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), True, "0.1"])
def test_a_learning_rate_is_a_positive_number(tmp_path: Path, rate: Any) -> None:
    with (
        edge.open(written(tmp_path), learn=True) as model,
        pytest.raises(LearningFailed, match="expected a positive number"),
    ):
        model.learn(IMAGES, [0, 1, 2], learning_rate=rate)


def test_a_batch_of_one_has_no_statistics(tmp_path: Path) -> None:
    def batch_norm(manifest: Manifest) -> Manifest:
        assert manifest.training is not None
        return replace(manifest, training=replace(manifest.training, normalisation="batch"))

    path = written(tmp_path, edit=batch_norm)
    with edge.open(path, learn=True) as model:
        with pytest.raises(LearningFailed, match="learn from two or more at a time"):
            model.learn(IMAGES[:1], [0])
        model.learn(IMAGES[:2], [0, 1])


def test_a_step_without_a_finite_result_keeps_the_weights(tmp_path: Path) -> None:
    with edge.open(written(tmp_path), learn=True) as model:
        model.learn(IMAGES, [0, 1, 2])
        before = model.run({"input": IMAGES})["logits"]
        huge = IMAGES * np.float32(1e37)
        with pytest.raises(LearningFailed, match="the weights are as before this step"):
            model.learn(huge, [0, 1, 2])
        np.testing.assert_array_equal(model.run({"input": IMAGES})["logits"], before)
        assert model.steps == 1


def test_other_classes_begin_with_equal_chances(tmp_path: Path) -> None:
    names = ["mug", "plate", "fork", "knife", "spoon"]
    with edge.open(written(tmp_path), learn=True, labels=names) as model:
        assert {c.label for c in model.classify(photograph(0))} == set(names)
        scores = [c.score for c in model.classify(photograph(0))]
        np.testing.assert_allclose(scores, 1 / 5, rtol=1e-6)
        for number in range(60):
            images, labels = pictures(16, seed=number)
            loss = model.learn(images, [names[label] for label in labels])
            assert number or loss == pytest.approx(np.log(5), rel=1e-6)
        assert accuracy(model) > 0.9
        with pytest.raises(LearningFailed, match="'red' is no class of the network"):
            model.learn(photograph(0), "red")


def test_the_classes_that_a_network_has_are_gone_on_with(tmp_path: Path) -> None:
    path = written(tmp_path)
    with (
        edge.open(path, learn=True, labels=LABELS) as model,
        edge.open(path, learn=True) as other,
    ):
        assert model.learn(IMAGES, [0, 1, 2]) == other.learn(IMAGES, [0, 1, 2])


@pytest.mark.parametrize(
    "labels",
    [[], ["one"], ["a", "a"], ["a", "b\nc"], ["a", ""], ["a", 1], "ab", ["a", "b\r"]],
)
def test_new_labels_are_names_of_two_classes_or_more(tmp_path: Path, labels: Any) -> None:
    with pytest.raises(NotTrainable, match="expected the names of two classes or more"):
        edge.open(written(tmp_path), learn=True, labels=labels)


def test_classes_without_a_layer_of_their_own_cannot_be_replaced(tmp_path: Path) -> None:
    def headless(manifest: Manifest) -> Manifest:
        assert manifest.training is not None
        return replace(manifest, training=replace(manifest.training, head=None))

    path = written(tmp_path, edit=headless)
    with pytest.raises(NotTrainable, match="no layer of classes that can be replaced"):
        edge.open(path, learn=True, labels=["a", "b"])
    with edge.open(path, learn=True) as model:
        model.learn(IMAGES, [0, 1, 2])


def test_a_bundle_without_a_training_graph_says_how_to_make_one(tmp_path: Path) -> None:
    write_bundle(tmp_path / "plain.edge", *contents())
    with pytest.raises(NotTrainable, match="edgecnn export MODEL --learn head"):
        edge.open(tmp_path / "plain.edge", learn=True)
    with pytest.raises(NotTrainable, match="learn=True"):
        edge.open(tmp_path / "plain.edge", labels=["a", "b"])  # type: ignore[call-overload]


@pytest.mark.parametrize("seed", [-1, 1 << 64, 0.5, True])
def test_a_seed_is_a_whole_number(tmp_path: Path, seed: Any) -> None:
    with pytest.raises(ValueError, match="expected a whole number from 0"):
        edge.open(written(tmp_path), learn=True, seed=seed)


def test_a_graph_that_is_not_the_manifests_is_refused(tmp_path: Path) -> None:
    manifest, _ = learning_contents(Recipe())
    _, files = learning_contents(Recipe("adam"))
    write_bundle(tmp_path / "x.edge", manifest, files)
    with pytest.raises(ManifestInvalid, match="the training graph has the input None"):
        edge.open(tmp_path / "x.edge", learn=True)


def test_more_than_the_budget_is_not_learnt(tmp_path: Path) -> None:
    path = written(tmp_path, Recipe(is_dropped=True))
    with pytest.raises(OverBudget, match="takes 432 bytes for what it learns"):
        edge.open(path, learn=True, budget=edge.Budget(memory_bytes=431))
    with edge.open(path, learn=True, budget=edge.Budget(memory_bytes=4096)) as model:
        images, labels = pictures(200)
        with pytest.raises(LearningFailed, match="learn from fewer at a time"):
            model.learn(images, labels)
        model.learn(images[:20], labels[:20])


def test_precision_and_threads_are_those_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, Recipe(is_int8=True))
    for precision, expected in ((None, "int8"), ("int8", "int8"), ("fp32", "fp32")):
        with edge.open(path, learn=True, precision=precision, threads=1) as model:
            assert model.artefact.precision == expected
            assert model.classify(photograph(0))
    with pytest.raises(EngineError, match="has no fp16 artefact"):
        edge.open(path, learn=True, precision="fp16")


def test_a_closed_session_refuses_everything(tmp_path: Path) -> None:
    model = edge.open(written(tmp_path), learn=True)
    model.close()
    model.close()
    for call in (
        lambda: model.learn(IMAGES, [0, 1, 2]),
        lambda: model.run({"input": IMAGES}),
        lambda: model.save(tmp_path / "x.edge"),
    ):
        with pytest.raises(EngineError, match="the model is closed"):
            call()
    assert not (tmp_path / "x.edge").exists()


def test_threads_may_learn_and_ask_at_once(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def attempt(job: Callable[[], object]) -> None:
        try:
            for _ in range(10):
                job()
        except BaseException as error:
            failures.append(error)

    with edge.open(written(tmp_path), learn=True) as model:
        jobs = [
            lambda: model.learn(IMAGES, [0, 1, 2]),
            lambda: model.run({"input": IMAGES}),
            lambda: model.classify(photograph(0)),
            lambda: model.save(tmp_path / "x.edge"),
        ]
        threads = [threading.Thread(target=attempt, args=(job,)) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert model.steps == 10
    assert not failures


def test_preprocessed_inputs_need_no_preprocessing_in_the_bundle(tmp_path: Path) -> None:
    path = written(tmp_path, edit=lambda m: replace(m, preprocess=None))
    with edge.open(path, learn=True) as model:
        assert model.learn(np.zeros((2, 3, SIZE, SIZE), np.float32), ["red", "blue"]) > 0
