"""Resampling compared with Pillow's resize."""

from __future__ import annotations

import numpy as np
import PIL
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from edgecnn_runtime.arrays import UInt8
from edgecnn_runtime.image import resample
from edgecnn_runtime.image.resample import is_vertical_first, resize
from edgecnn_runtime.manifest import Filter

FILTERS: dict[Filter, Image.Resampling] = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
# Pillow's order of passes changed in 13; ours is the new one.
PILLOW_HAS_NEW_ORDER = int(PIL.__version__.split(".")[0]) >= 13


def with_pillow(image: UInt8, size: tuple[int, int], kernel: Filter) -> UInt8:
    return np.asarray(Image.fromarray(image).resize(size[::-1], FILTERS[kernel]))


def whole(image: UInt8, size: tuple[int, int], kernel: Filter) -> UInt8:
    return resize(image, size, kernel, range(size[0]), range(size[1]))


def noise(height: int, width: int, seed: int = 0) -> UInt8:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def black_and_white(height: int, width: int, seed: int = 0) -> UInt8:
    """Where a bicubic filter overshoots most: clipping between the passes shows."""
    return np.where(noise(height, width, seed) > 127, np.uint8(255), np.uint8(0))


extent = st.integers(1, 70)


@settings(max_examples=150, deadline=None)
@given(extent, extent, extent, extent, st.sampled_from(["bilinear", "bicubic"]), st.booleans())
def test_every_size_gives_the_grey_levels_of_pillow(
    height: int, width: int, to_height: int, to_width: int, kernel: Filter, extreme: bool
) -> None:
    size = (to_height, to_width)
    assume(PILLOW_HAS_NEW_ORDER or not is_vertical_first((height, width), size))
    image = black_and_white(height, width) if extreme else noise(height, width)
    np.testing.assert_array_equal(whole(image, size, kernel), with_pillow(image, size, kernel))


@pytest.mark.parametrize("kernel", FILTERS)
@pytest.mark.parametrize(
    ("source", "size"),
    [
        ((375, 500), (256, 341)),
        ((97, 131), (256, 345)),
        ((1, 1), (5, 3)),
        ((1, 1), (224, 224)),
        ((1, 300), (2, 7)),
        ((300, 1), (7, 2)),
        ((200, 300), (1, 1)),
        ((64, 64), (64, 20)),
        ((64, 64), (20, 64)),
        ((64, 64), (32, 32)),
        ((700, 9), (250, 5)),
    ],
)
def test_sizes_that_are_used_or_extreme_give_the_grey_levels_of_pillow(
    source: tuple[int, int], size: tuple[int, int], kernel: Filter
) -> None:
    if is_vertical_first(source, size) and not PILLOW_HAS_NEW_ORDER:
        pytest.skip("this Pillow resizes the width first")
    image = black_and_white(*source)
    np.testing.assert_array_equal(whole(image, size, kernel), with_pillow(image, size, kernel))


@pytest.mark.parametrize("kernel", FILTERS)
@pytest.mark.parametrize(
    ("source", "size", "vertical_first"),
    [
        ((60, 50), (41, 40), False),
        ((60, 50), (40, 40), False),  # loses exactly twice as many: still the width first
        ((60, 50), (39, 40), True),
        ((60, 50), (59, 70), True),
        ((60, 50), (70, 60), False),
        ((60, 50), (70, 40), False),
    ],
)
def test_the_height_goes_first_when_it_loses_more_than_twice_as_many_pixels(
    source: tuple[int, int], size: tuple[int, int], vertical_first: bool, kernel: Filter
) -> None:
    image = black_and_white(*source)
    between = (size[0], source[1]) if vertical_first else (source[0], size[1])
    # One axis at a time, every version of Pillow agrees.
    expected = with_pillow(with_pillow(image, between, kernel), size, kernel)
    assert is_vertical_first(source, size) is vertical_first
    np.testing.assert_array_equal(whole(image, size, kernel), expected)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_region_is_the_same_pixels_as_in_the_whole(data: st.DataObject) -> None:
    size = data.draw(extent), data.draw(extent)
    top, left = data.draw(st.integers(0, size[0] - 1)), data.draw(st.integers(0, size[1] - 1))
    rows = range(top, data.draw(st.integers(top + 1, size[0])))
    columns = range(left, data.draw(st.integers(left + 1, size[1])))
    image = noise(data.draw(extent), data.draw(extent))
    region = resize(image, size, "bicubic", rows, columns)
    expected = whole(image, size, "bicubic")[top : rows.stop, left : columns.stop]
    np.testing.assert_array_equal(region, expected)


def test_an_image_larger_than_one_chunk_gives_the_grey_levels_of_pillow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resample, "CHUNK_LIMIT", 1 << 9)
    image, size = noise(90, 70), (40, 33)
    np.testing.assert_array_equal(
        whole(image, size, "bicubic"), with_pillow(image, size, "bicubic")
    )


def test_one_channel_is_resized_as_a_grey_image() -> None:
    image = noise(50, 40)[:, :, :1]
    expected = with_pillow(image[:, :, 0], (31, 23), "bilinear")
    np.testing.assert_array_equal(whole(image, (31, 23), "bilinear")[:, :, 0], expected)


def test_the_image_itself_is_left_as_it_was() -> None:
    image = noise(50, 40)
    before = image.copy()
    whole(image, (20, 20), "bicubic")
    np.testing.assert_array_equal(image, before)


def test_a_size_that_stays_is_not_copied() -> None:
    image = noise(50, 40)
    region = resize(image, (50, 40), "bicubic", range(3, 9), range(40))
    assert np.shares_memory(region, image)
    np.testing.assert_array_equal(region, image[3:9])
