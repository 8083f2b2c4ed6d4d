"""Images go through a bundle as an app would send them; what cannot be read is left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import contents
from PIL import Image

from edgecnn.errors import DataUnreadable
from edgecnn.evaluate.class_names import ClassNames
from edgecnn.evaluate.examples import Examples, open_examples
from edgecnn.evaluate.run import CHUNK, Variant, find_variants, run
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.manifest import Artefact

COLOURS = {"red": (200, 40, 0), "green": (0, 200, 40), "blue": (40, 0, 200)}
NAMES = ClassNames(3, tuple(COLOURS))


def painted(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((5, 6, 3), colour, np.uint8)


def folder_of_colours(root: Path, images: int = 2) -> Path:
    for name, colour in COLOURS.items():
        (root / name).mkdir(parents=True)
        for index in range(images):
            Image.fromarray(painted(colour)).save(root / name / f"{index}.png")
    return root


def test_a_folder_is_classified(bundle: Path, tmp_path: Path) -> None:
    examples = open_examples(str(folder_of_colours(tmp_path / "data")), NAMES)
    outcome = run([Variant(str(bundle), "fake", "fp32")], examples)
    # Folders come in the order of their names.
    assert outcome.labels.tolist() == [2, 2, 1, 1, 0, 0]
    assert outcome.answers[0].classes.tolist() == [2, 2, 1, 1, 0, 0]
    assert outcome.answers[0].ranks.tolist() == [0] * 6
    assert not outcome.broken


def test_the_place_of_the_right_class_is_counted_in_class_order(bundle: Path) -> None:
    images = np.stack([painted((200, 40, 0)), painted((90, 90, 90)), painted((90, 90, 90))])
    outcome = run(
        [Variant(str(bundle), "fake", "fp32")], Examples("three", images, np.array([2, 0, 1]))
    )
    # Red, then green, then blue; of equal scores the first class is the first.
    assert outcome.answers[0].classes.tolist() == [0, 0, 0]
    assert outcome.answers[0].ranks.tolist() == [2, 0, 1]


@pytest.mark.slow
def test_two_processes_answer_as_one(bundle: Path, tmp_path: Path) -> None:
    folder = folder_of_colours(tmp_path / "data", CHUNK)
    (folder / "red" / "0.png").write_bytes(b"no image")
    examples = open_examples(str(folder), NAMES)
    variants = [Variant(str(bundle), "fake", "fp32")] * 2
    done: list[float] = []
    alone = run(variants, examples, processes=1)
    shared = run(variants, examples, processes=2, progress=done.append)
    assert len(alone.labels) == 3 * CHUNK - 1
    assert alone.broken == shared.broken
    np.testing.assert_array_equal(alone.labels, shared.labels)
    for one, two in zip(alone.answers, shared.answers, strict=True):
        np.testing.assert_array_equal(one.classes, two.classes)
        np.testing.assert_array_equal(one.ranks, two.ranks)
    assert done == sorted(done)
    assert done[-1] == 1


def test_images_that_cannot_be_read_are_named(bundle: Path, tmp_path: Path) -> None:
    folder = folder_of_colours(tmp_path / "data", 1)
    (folder / "green" / "0.png").write_bytes(b"no image")
    variants = [Variant(str(bundle), "fake", "fp32")]
    outcome = run(variants, open_examples(str(folder), NAMES))
    assert outcome.labels.tolist() == [2, 0]
    assert "0.png' is in no format that Pillow reads" in outcome.broken[0]
    for name in ("red", "blue"):
        (folder / name / "0.png").write_bytes(b"")
    with pytest.raises(DataUnreadable, match="no image that can be read, of 3; the first"):
        run(variants, open_examples(str(folder), NAMES))


def test_a_fixed_batch_is_filled(tmp_path: Path) -> None:
    manifest, files = contents()
    fixed = [replace(spec, shape=(4, *spec.shape[1:])) for spec in manifest.inputs]
    fixed_out = [replace(spec, shape=(4, *spec.shape[1:])) for spec in manifest.outputs]
    files["model.fake"] = files["model.fake"].replace(b"null", b"4")
    for name in ("golden/0.input.npy", "golden/0.output0.npy"):
        del files[name]
    del files["golden/0.image.npy"]
    path = tmp_path / "four.edge"
    write_bundle(
        path,
        replace(manifest, inputs=tuple(fixed), outputs=tuple(fixed_out), golden=()),
        files,
    )
    examples = Examples("one", np.stack([painted(COLOURS["blue"])]), np.array([2]))
    assert run([Variant(str(path), "fake", "fp32")], examples).answers[0].classes.tolist() == [2]


def test_scores_that_are_no_numbers_are_an_error(tmp_path: Path) -> None:
    manifest, files = contents()
    files["model.fake"] = files["model.fake"].replace(b'"scale": 2.0', b'"scale": NaN')
    path = tmp_path / "nan.edge"
    write_bundle(path, manifest, files)
    examples = Examples("one", np.stack([painted(COLOURS["blue"])]), np.array([2]))
    with pytest.raises(EngineError, match="brightest, fp32 by fake, answers an image with NaN"):
        run([Variant(str(path), "fake", "fp32")], examples)


def test_float_comes_first(tmp_path: Path) -> None:
    manifest, files = contents()
    files["int8.fake"] = files["model.fake"]
    int8 = Artefact("int8.fake", "fake", "int8", sqnr_db={"logits": ()})
    both = (int8, *manifest.artefacts)
    path = tmp_path / "both.edge"
    write_bundle(path, replace(manifest, artefacts=both), files)
    assert [v.precision for v in find_variants(str(path), None, None)] == ["fp32", "int8"]
    assert [v.precision for v in find_variants(str(path), None, "int8")] == ["int8"]


def test_a_limit_draws_from_all_classes_and_always_the_same() -> None:
    labels = np.repeat(np.arange(10), 100)
    examples = Examples("many", np.zeros((1000, 2, 2, 3), np.uint8), labels)
    few = examples.limited(50)
    assert len(few) == 50
    assert set(few.labels.tolist()) == set(range(10))
    assert few.labels.tolist() == examples.limited(50).labels.tolist()
    assert few.notes == ("50 of 1,000 images, drawn by seed 0",)
    assert examples.limited(None) is examples.limited(1000) is examples


def test_photographs_of_imagenet_need_a_thousand_classes() -> None:
    with pytest.raises(DataUnreadable, match="1000 classes, the network has 3"):
        open_examples("imagenet-samples", NAMES)


def test_what_is_no_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataUnreadable, match="no data set or folder is called"):
        open_examples(str(tmp_path / "nothing"), NAMES)
