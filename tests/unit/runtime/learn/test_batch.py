"""Labels of losses other than cross-entropy, which a session's tests cover."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from learning_bundles import LABELS, learning_contents, pictures

from edgecnn_runtime.errors import LearningFailed
from edgecnn_runtime.learn.batch import check_batch, label_array
from edgecnn_runtime.manifest import Manifest
from edgecnn_runtime.training import Loss

IMAGES = {"input": pictures(2)[0]}


def manifest_of(loss: Loss) -> Manifest:
    manifest, _ = learning_contents()
    assert manifest.training is not None
    return replace(manifest, training=replace(manifest.training, loss=loss))


def checked(loss: Loss, labels: Any) -> int:
    manifest = manifest_of(loss)
    assert manifest.training is not None
    array = label_array(labels, LABELS, manifest)
    return check_batch(manifest, manifest.training, IMAGES, array, 1 << 20)


@pytest.mark.parametrize("loss", ["mean_squared_error", "binary_cross_entropy"])
def test_expected_outputs_are_one_row_an_image(loss: Loss) -> None:
    assert checked(loss, np.full((2, 3), 0.5, np.float32)) == 2
    assert checked(loss, np.full((2, 3), 0.5)) == 2
    assert checked(loss, [[0, 1, 1], [1, 0, 0]]) == 2
    for labels in ([0, 1], [[0, 1], [1, 0]], np.zeros((3, 3), np.float32)):
        with pytest.raises(LearningFailed, match=r"for 2 images, expected \(2, 3\)"):
            checked(loss, labels)
    with pytest.raises(LearningFailed, match="NaN or infinity"):
        checked(loss, [[0, 1, np.nan], [0, 0, 0]])


def test_one_row_is_a_batch_of_one() -> None:
    labels = label_array([0.5, 0, 1], LABELS, manifest_of("mean_squared_error"))
    assert (labels.shape, labels.dtype) == ((1, 3), np.dtype(np.float32))


def test_probabilities_are_from_0_to_1() -> None:
    assert checked("mean_squared_error", [[0, 1, 7], [-1, 0, 0]]) == 2
    with pytest.raises(LearningFailed, match=r"labels are -1\.0 to 7\.0, expected probabilities"):
        checked("binary_cross_entropy", [[0, 1, 7], [-1, 0, 0]])
