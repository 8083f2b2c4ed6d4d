from __future__ import annotations

import numpy as np

from edgecnn_exporters.capture.examples import NAMES, example_batch
from edgecnn_exporters.quantise.calibrate.likeness import count_different, describe_likeness
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

RANDOM = np.random.default_rng(0)
SPEC = TensorSpec("input", "float32", (None, 3, 64, 64))
UNIT = Preprocess("RGB", (64, 64), "bilinear", None, 1 / 255, (0.0,) * 3, (1.0,) * 3)
PICTURES = [each[None] for each in example_batch(SPEC, UNIT, 8 * len(NAMES))]


def burst(count: int) -> list[np.ndarray]:
    """Frames of one scene: its picture with the noise of a sensor."""
    noise = RANDOM.standard_normal((count, *PICTURES[0].shape)).astype(np.float32)
    return [PICTURES[0] + 0.05 * each for each in noise]


def test_frames_of_one_scene_are_one() -> None:
    assert count_different(burst(40)) == 1
    (note,) = describe_likeness(burst(40))
    assert note.startswith("40 samples, but only 1 that differ")


def test_pictures_and_their_crops_differ() -> None:
    assert count_different(PICTURES) > len(PICTURES) / 2
    assert describe_likeness(PICTURES) == ()


def test_bursts_of_enough_scenes_are_no_fault() -> None:
    scenes = [each for each in PICTURES for _ in range(4)]
    assert describe_likeness(scenes) == describe_likeness(PICTURES)


def test_inputs_that_are_no_images_are_compared_whole() -> None:
    rows = list(RANDOM.standard_normal((64, 1, 5)).astype(np.float32))
    assert count_different([*rows, *rows]) > 32
