"""Calibration samples of Python iterables."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset

from edgecnn.errors import DataUnreadable
from edgecnn.exporting.calibration import CalibrationSamples, is_private, open_calibration
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

SPEC = TensorSpec("input", "float32", (None, 3, 8, 8))
UNIT = Preprocess("RGB", (8, 8), "bilinear", None, 1 / 255, (0.0,) * 3, (1.0,) * 3)
INPUTS = np.random.default_rng(0).uniform(0, 1, (80, 3, 8, 8)).astype(np.float32)
GREY = np.full((10, 12, 3), 51, np.uint8)


def opened(
    items: Any, count: int = 128, fresh: int = 0, prepare: Preprocess | None = UNIT
) -> CalibrationSamples:
    return open_calibration(items, SPEC, prepare, count, fresh)


def test_samples_of_a_loader_are_its_inputs_in_their_order() -> None:
    loader = DataLoader(TensorDataset(torch.from_numpy(INPUTS)), batch_size=16)
    with opened(loader, 40, 20) as found:
        assert found.fresh is not None
        np.testing.assert_array_equal(np.concatenate(list(found.samples)), INPUTS[:40])
        np.testing.assert_array_equal(np.concatenate(list(found.fresh)), INPUTS[40:60])
        assert found.samples.names[17] == "item 1, row 1"
        assert found.name == "DataLoader in Python"
        assert found.measured is not None
        assert found.measured.high == INPUTS[:60].max()
        assert found.notes == ()
    assert is_private(loader)


def test_samples_of_an_array_are_drawn_from_all_of_it() -> None:
    with opened(INPUTS, 40, 40) as found:
        assert found.fresh is not None
        every = np.concatenate([*found.samples, *found.fresh])
    np.testing.assert_array_equal(np.sort(every, 0), np.sort(INPUTS, 0))
    assert not np.array_equal(every[:40], INPUTS[:40])


def test_images_go_through_the_bundles_preprocessing(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "grey.png")
    items = [GREY, Image.fromarray(GREY), tmp_path / "grey.png", GREY[..., 0], GREY[..., :1]]
    with opened(items) as found:
        np.testing.assert_allclose(np.concatenate(list(found.samples)), 0.2, atol=1e-3)
        assert len(found.samples) == 5
        assert found.measured is None


def test_a_broken_file_is_named_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with opened(iter([tmp_path / "bad.png", GREY])) as found:
        assert len(found.samples) == 1
        assert "1 of 2 images cannot be read, left out: item 0" in found.notes[0]
    with pytest.raises(DataUnreadable, match="no image of list in Python can be read, of 1"):
        opened([tmp_path / "bad.png"])


def test_an_endless_generator_is_read_no_further_than_the_samples_need() -> None:
    taken = []

    def endless() -> Iterator[np.ndarray]:
        for number in itertools.count():
            taken.append(number)
            yield INPUTS[number % 80]

    with opened(endless(), 10, 5) as found:
        assert len(found.samples) == 10
        assert found.fresh is not None
        assert len(found.fresh) == 5
    assert len(taken) == 15


def test_a_generator_that_was_read_before_is_refused_with_the_reason() -> None:
    items = (each for each in INPUTS)
    opened(items).__exit__()
    with pytest.raises(DataUnreadable, match="the generator yields nothing; it gives its items on"):
        opened(items)


@pytest.mark.parametrize("nothing", [[], np.empty((0, 3, 8, 8), np.float32), DataLoader([])])
def test_what_yields_nothing_is_refused(nothing: Any) -> None:
    with pytest.raises(DataUnreadable, match="yields nothing; expected images, or inputs"):
        opened(nothing)


def test_images_without_a_preprocessing_are_refused() -> None:
    with pytest.raises(DataUnreadable, match="item 0 is an image, and the network has no prepro"):
        opened([GREY], prepare=None)


def test_a_fixed_batch_is_filled() -> None:
    spec = TensorSpec("input", "float32", (2, 3, 8, 8))
    with open_calibration(iter(INPUTS[:5]), spec, UNIT, 128) as found:
        assert [sample.shape[0] for sample in found.samples] == [2, 2]


def test_inputs_of_another_range_than_the_preprocessings_are_noted() -> None:
    imagenet = Preprocess("RGB", (8, 8), "bilinear", None, 1 / 255, (0.5,) * 3, (0.25,) * 3)
    with opened(INPUTS, prepare=imagenet) as found:
        assert "range from 0.00 to 1.00" in found.notes[-1]
        assert "makes -2.00 to 2.00" in found.notes[-1]
    with opened(4 * INPUTS - 2, prepare=imagenet) as found:
        assert found.notes == ()


def test_memory_does_not_grow_with_the_samples() -> None:
    def many() -> Iterator[np.ndarray]:
        for number in range(2000):
            yield INPUTS[number % 80] + 0

    tracemalloc.start()
    with opened(many(), 2000) as found:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(found.samples) == 2000
    assert peak < 2000 * INPUTS[0].nbytes / 2
