"""Frames, tensors and batches of images in `Session.classify` and `Session.preprocess`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import INPUT, MODELS, contents, red_image

import edgecnn_runtime as edge
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import FeedError, ImageError
from edgecnn_runtime.tensor_spec import TensorSpec

BLUE = red_image()[:, :, ::-1]
GREEN = np.roll(red_image(), 1, axis=2)


@pytest.fixture(params=["onnxruntime", "tflite"])
def any_bundle(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A bundle that takes any batch, and one whose artefact takes one image at a time."""
    format, model = MODELS[request.param]
    content = model()
    write_bundle(tmp_path / "any.edge", *contents(format, content.model, content.weights))
    return tmp_path / "any.edge"


def test_a_frame_of_opencv_has_its_colours_when_it_says_bgr(bundle: Path) -> None:
    frame = red_image()[:, :, ::-1].copy()
    with edge.open(bundle) as model:
        assert model.classify(frame)[0].label == "blue"  # nobody can know
        assert model.classify(frame, colour="BGR")[0].label == "red"
        np.testing.assert_array_equal(
            model.preprocess(frame, colour="BGR"), model.preprocess(red_image())
        )


def test_a_batch_has_a_list_of_classes_for_each_image(any_bundle: Path) -> None:
    images = [red_image(), BLUE, torch.from_numpy(GREEN.copy())]
    with edge.open(any_bundle) as model:
        one_by_one = [model.classify(image, top=2) for image in images]
        assert [best[0].label for best in one_by_one] == ["red", "blue", "green"]
        assert model.classify(images, top=2) == one_by_one
        assert model.classify(tuple(images), top=2) == one_by_one
        stacked = np.stack([red_image(), BLUE, GREEN])
        assert model.classify(stacked, top=2) == one_by_one  # type: ignore[comparison-overlap]
        assert model.classify([red_image()])[0] == model.classify(red_image())
        assert model.preprocess(images).shape == (3, 3, 4, 4)
        np.testing.assert_array_equal(model.preprocess(images)[1:2], model.preprocess(BLUE))


def test_a_tensor_of_channels_first_is_a_batch_too(bundle: Path) -> None:
    tensor = torch.from_numpy(np.stack([red_image(), BLUE]).transpose(0, 3, 1, 2).copy())
    with edge.open(bundle) as model:
        labels = [best[0].label for best in model.classify(list(tensor))]
        assert labels == ["red", "blue"]
        assert model.preprocess(tensor).shape == (2, 3, 4, 4)


def test_a_long_batch_runs_in_parts_with_an_answer_for_each(bundle: Path) -> None:
    images = [red_image(), BLUE, GREEN] * 13
    with edge.open(bundle) as model:
        labels = [best[0].label for best in model.classify(images)]
    assert labels == ["red", "blue", "green"] * 13


def test_a_model_of_a_fixed_batch_answers_each_image_once(tmp_path: Path) -> None:
    manifest, files = contents()
    two = tuple(
        replace(spec, shape=(2, *spec.shape[1:])) for spec in (*manifest.inputs, *manifest.outputs)
    )
    files["model.fake"] = files["model.fake"].replace(b"null", b"2")
    files = {name: content for name, content in files.items() if "golden" not in name}
    fixed = replace(manifest, inputs=two[:1], outputs=two[1:], golden=())
    write_bundle(tmp_path / "two.edge", fixed, files)
    with edge.open(tmp_path / "two.edge") as model:
        assert model.classify(red_image())[0].label == "red"
        labels = [best[0].label for best in model.classify([red_image(), BLUE, GREEN])]
    assert labels == ["red", "blue", "green"]


@pytest.mark.parametrize(
    ("batch", "says"),
    [
        ([], "the batch holds no images"),
        (np.zeros((0, 4, 4, 3), np.uint8), "the batch holds no images"),
        ((True, red_image()), r"as cv2's read\(\) returns it; pass its second part"),
        ((False, None), r"image is a pair \(False, NoneType\)"),
        ([red_image(), "none.jpg"], "image 1 of the batch of 2: image 'none.jpg' cannot be opened"),
        ([red_image(), None], "image 1 of the batch of 2: image is None, which cv2.imread returns"),
        (np.zeros((2, 3, 6, 5), np.uint8), "image 0 of the batch of 2: .*transpose"),
        (np.array([red_image(), None], object), "pass the list of images itself"),
    ],
)
def test_a_batch_that_is_none_says_which_image_and_why(
    bundle: Path, batch: list[object], says: str
) -> None:
    with edge.open(bundle) as model, pytest.raises(ImageError, match=says):
        model.classify(batch)


def test_images_of_unlike_inputs_are_no_batch(tmp_path: Path) -> None:
    manifest, files = contents()
    assert manifest.preprocess is not None
    loose = replace(manifest, preprocess=replace(manifest.preprocess, resize=4))
    write_bundle(tmp_path / "loose.edge", loose, files)
    with (
        edge.open(tmp_path / "loose.edge") as model,
        pytest.raises(ImageError, match=r"inputs of \(3, 4, 4\) and \(3, 4, 8\)"),
    ):
        model.preprocess([red_image(8, 8), red_image(8, 16)])


X = np.zeros((1, *INPUT.shape[1:]), np.float32)


@pytest.mark.parametrize(
    ("feeds", "says"),
    [
        (X, r'feeds are a ndarray, expected arrays by .*float32 Nx3x4x4: run\({"input": x}\)'),
        ([X], r'feeds are a list, .* run\({"input": x}\)'),
        ({"x": X}, r"input 'input' is missing among 'x'; expected input float32 Nx3x4x4: run"),
        ({}, r"input 'input' is missing among nothing"),
        ({"input": X, "more": X}, r"there is no input 'more'; expected input float32"),
        ({"input": X.tolist()}, r"is a list, expected a numpy array, .*numpy.asarray"),
        ({"input": torch.zeros(1, 3, 4, 4)}, r"is a Tensor, .*tensor.detach\(\).cpu\(\).numpy\(\)"),
        ({"input": X.astype(float)}, r"is float64, expected .*; pass x.astype\('float32'\)"),
        ({"input": X.astype(np.uint8)}, r"is uint8, .* becomes an input by preprocess\(image\)"),
        ({"input": X[0]}, r'shape 3x4x4, .*batch axis is missing: run\({"input": x\[None\]}\)'),
        ({"input": X.transpose(0, 2, 3, 1)}, r"pass x.transpose\(0, 3, 1, 2\)"),
    ],
)
def test_feeds_that_do_not_fit_are_answered_with_those_that_do(
    bundle: Path, feeds: dict[str, np.ndarray], says: str
) -> None:
    with edge.open(bundle) as model, pytest.raises(FeedError, match=says) as refusal:
        model.run(feeds)
    assert "\n" not in str(refusal.value)


def test_the_example_of_several_inputs_has_them_all() -> None:
    from edgecnn_runtime.engines.feeds import check_feeds

    specs = (TensorSpec("a", "float32", (1,)), TensorSpec("b", "float32", (1,)))
    with pytest.raises(FeedError, match=r'run\({"a": x0, "b": x1}\)'):
        check_feeds(specs, X)  # type: ignore[arg-type]  # the mistake itself
