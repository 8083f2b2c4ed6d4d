"""Inputs of many images: kept where there is room, made anew where not, broken ones left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgecnn.data.item_values import Value
from edgecnn.evaluate.examples import Examples
from edgecnn.learn.inputs import Inputs, prepare_inputs
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.errors import ImageError

GREYS = [np.full((2, 2), grey, np.uint8) for grey in range(5)]
LABELS = np.array([0, 1, 0, 1, 0])


def prepare(value: Value) -> Float32:
    assert not isinstance(value, Path)
    if value[0, 0] == 2:
        raise ImageError("image 2 is broken")
    return value[None].astype(np.float32)


def read(kept_bytes: int) -> tuple[Inputs, tuple[str, ...]]:
    return prepare_inputs(Examples("greys", GREYS, LABELS), prepare, kept_bytes=kept_bytes)


def test_broken_images_are_left_out() -> None:
    inputs, broken = read(1000)
    assert broken == ("image 2 is broken",)
    assert inputs.labels.tolist() == [0, 1, 1, 0]
    assert inputs.read(np.array([3, 0]))[:, 0, 0].tolist() == [4, 0]


def test_the_same_inputs_come_with_and_without_room_for_them() -> None:
    (all_kept, _), (few_kept, _) = read(1000), read(33)
    assert (len(all_kept.kept), len(few_kept.kept)) == (4, 2)
    order = np.array([2, 3, 1, 0])
    assert all_kept.read(order).tolist() == few_kept.read(order).tolist()
    assert all_kept.digest == few_kept.digest


def test_a_part_has_its_own_order_and_labels() -> None:
    part = read(1000)[0].part(np.array([3, 1]))
    assert part.labels.tolist() == [0, 1]
    assert part.read(np.array([0, 1]))[:, 0, 0].tolist() == [4, 1]
    images = part.examples("part").images
    assert [int(np.asarray(image)[0, 0]) for image in images] == [4, 1]


def test_the_digest_is_of_inputs_and_labels() -> None:
    digests = set()
    for images, labels in ((GREYS, LABELS), (GREYS[::-1], LABELS), (GREYS, 1 - LABELS)):
        digests.add(prepare_inputs(Examples("", images, labels), prepare)[0].digest)
    assert len(digests) == 3
