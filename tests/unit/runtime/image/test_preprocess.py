from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edgecnn_runtime.arrays import UInt8
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Colour, Filter, Preprocess

IMAGENET = Preprocess(
    colour="RGB",
    resize=256,
    filter="bilinear",
    crop=(224, 224),
    scale=1 / 255,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
# The grey levels themselves.
LEVELS = replace(IMAGENET, scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3, crop=None, resize=None)
GREY = replace(LEVELS, colour="L", mean=(0.0,), std=(1.0,))


def picture(height: int, width: int, seed: int = 0) -> UInt8:
    """Smooth enough to be like a photograph, with every grey level in it."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 11, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def torchvision_resize(image: Image.Image, size: int, kernel: Image.Resampling) -> Image.Image:
    """torchvision.transforms.functional.resize, `_compute_resized_output_size`."""
    width, height = image.size
    short, long = (width, height) if width <= height else (height, width)
    new_short, new_long = size, int(size * long / short)
    shape = (new_short, new_long) if width <= height else (new_long, new_short)
    return image.resize(shape, kernel)


def torchvision_center_crop(image: Image.Image, height: int, width: int) -> Image.Image:
    """torchvision.transforms.functional.center_crop."""
    if width > image.width or height > image.height:
        left = (width - image.width) // 2 if width > image.width else 0
        top = (height - image.height) // 2 if height > image.height else 0
        padded = Image.new(image.mode, (max(width, image.width), max(height, image.height)))
        padded.paste(image, (left, top))
        image = padded
    top = round((image.height - height) / 2.0)
    left = round((image.width - width) / 2.0)
    return image.crop((left, top, left + width, top + height))


def by_hand(image: UInt8, spec: Preprocess) -> np.ndarray:
    """Resize, CenterCrop, ToTensor and Normalize, with Pillow and torch; NCHW, RGB."""
    kernel = Image.Resampling.BILINEAR if spec.filter == "bilinear" else Image.Resampling.BICUBIC
    picture = Image.fromarray(image)
    assert isinstance(spec.resize, int)
    assert spec.crop
    picture = torchvision_center_crop(torchvision_resize(picture, spec.resize, kernel), *spec.crop)
    tensor = (
        torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous().to(torch.float32) / 255
    )
    mean, std = (torch.tensor(values)[:, None, None] for values in (spec.mean, spec.std))
    return tensor.sub(mean).div(std)[None].numpy()


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "shape", [(375, 500), (500, 375), (256, 256), (224, 224), (300, 451), (17, 23), (700, 231)]
)
def test_the_imagenet_recipe_gives_what_torchvision_gives(
    shape: tuple[int, int], kernel: Filter
) -> None:
    spec = replace(IMAGENET, filter=kernel)
    image = picture(*shape)
    # One grey level is 0.017; a float32 rounding of values up to 2.7 is 2.4e-7.
    np.testing.assert_allclose(preprocess(image, spec), by_hand(image, spec), rtol=0, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    *[st.integers(2, 60)] * 2,
    st.integers(1, 50),
    st.tuples(st.integers(1, 70), st.integers(1, 70)),
)
def test_sizes_and_crops_follow_torchvision(
    height: int, width: int, resize: int, crop: tuple[int, int]
) -> None:
    spec = replace(IMAGENET, resize=resize, crop=crop)
    image = picture(height, width)
    np.testing.assert_allclose(preprocess(image, spec), by_hand(image, spec), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((375, 500), (256, 341)), ((500, 375), (341, 256)), ((640, 480), (341, 256))],
)
def test_the_longer_side_is_cut_to_whole_pixels(
    shape: tuple[int, int], expected: tuple[int, int]
) -> None:
    # 256·500/375 = 341.33 and 256·640/480 = 341.33
    assert preprocess(picture(*shape), replace(LEVELS, resize=256)).shape == (1, 3, *expected)


def test_a_half_pixel_of_crop_goes_to_the_even_side() -> None:
    image = np.arange(8, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    # (8 - 7) / 2 = 0.5 → 0 and (8 - 5) / 2 = 1.5 → 2, by round half to even.
    assert preprocess(image, replace(LEVELS, crop=(1, 7)))[0, 0, 0].tolist() == [*range(7)]
    assert preprocess(image, replace(LEVELS, crop=(1, 5)))[0, 0, 0].tolist() == [*range(2, 7)]


def test_an_image_smaller_than_the_crop_gets_a_black_border() -> None:
    image = np.full((1, 2, 3), 100, np.uint8)
    spec = replace(LEVELS, crop=(2, 5), mean=(10.0,) * 3)
    expected = [[-10, 90, 90, -10, -10], [-10, -10, -10, -10, -10]]
    assert preprocess(image, spec)[0, 1].tolist() == expected


def test_resize_to_a_height_and_width_ignores_the_proportions() -> None:
    image = picture(40, 90)
    expected = Image.fromarray(image).resize((30, 20), Image.Resampling.BILINEAR)
    actual = preprocess(image, replace(LEVELS, resize=(20, 30)))
    np.testing.assert_array_equal(actual[0], np.asarray(expected).transpose(2, 0, 1))


def test_without_resize_and_crop_every_pixel_stays() -> None:
    image = picture(7, 5)
    np.testing.assert_array_equal(preprocess(image, LEVELS)[0], image.transpose(2, 0, 1))


def test_scale_comes_before_mean_and_mean_before_std() -> None:
    image = np.array([[[10, 20, 30]]], np.uint8)
    spec = replace(LEVELS, scale=0.5, mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 8.0))
    assert preprocess(image, spec).ravel().tolist() == [2.0, 2.0, 1.5]


def test_bgr_reverses_the_channels_and_means_are_in_that_order() -> None:
    image = np.array([[[10, 20, 30]]], np.uint8)
    spec = replace(LEVELS, colour="BGR", mean=(1.0, 2.0, 3.0))
    assert preprocess(image, spec).ravel().tolist() == [29.0, 18.0, 7.0]


def test_grey_is_what_pillow_makes_of_every_colour() -> None:
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    expected = np.asarray(Image.fromarray(image).convert("L"))
    actual = preprocess(image, GREY)
    assert actual.shape == (1, 1, 300, 300)
    np.testing.assert_array_equal(actual[0, 0], expected)


def test_colour_becomes_grey_before_the_resize() -> None:
    image = picture(40, 60)
    expected = Image.fromarray(image).convert("L").resize((48, 32), Image.Resampling.BICUBIC)
    actual = preprocess(image, replace(GREY, resize=32, filter="bicubic"))
    np.testing.assert_array_equal(actual[0, 0], np.asarray(expected))


@pytest.mark.parametrize("resize", [None, 32, (32, 32)])
@pytest.mark.parametrize("crop", [None, (24, 20), (60, 24)])
@pytest.mark.parametrize("colour", ["RGB", "BGR", "L"])
def test_nhwc_is_nchw_with_the_channels_last(
    resize: int | None, crop: tuple[int, int] | None, colour: Colour
) -> None:
    base = GREY if colour == "L" else replace(IMAGENET, colour=colour)
    spec = replace(base, resize=resize, crop=crop)
    image = picture(41, 53)
    first, last = preprocess(image, spec), preprocess(image, replace(spec, layout="NHWC"))
    np.testing.assert_array_equal(last, first.transpose(0, 2, 3, 1))
    for array in (first, last):
        assert array.dtype == np.float32
        assert array.flags.c_contiguous


@pytest.mark.parametrize("shape", [(20, 20_000), (20_000, 20)])
def test_a_long_thin_image_takes_little_memory(shape: tuple[int, int]) -> None:
    # Resized as a whole it would be 256 × 256,000 pixels: 197 MB, 786 MB as float32.
    image = picture(*shape)
    tracemalloc.start()
    try:
        actual = preprocess(image, IMAGENET)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16e6
    assert actual.shape == (1, 3, 224, 224)


@pytest.mark.parametrize("shape", [(20, 2_000), (2_000, 20)])
def test_a_long_thin_image_gives_what_torchvision_gives(shape: tuple[int, int]) -> None:
    image = picture(*shape)
    actual, expected = preprocess(image, IMAGENET), by_hand(image, IMAGENET)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


def test_a_large_photograph_is_resized_in_bounded_memory() -> None:
    image = np.zeros((3000, 4000, 3), np.uint8)
    tracemalloc.start()
    try:
        preprocess(image, IMAGENET)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 16e6


def test_a_read_only_and_a_mirrored_image_are_accepted() -> None:
    image = picture(30, 40)
    frozen = image.copy()
    frozen.setflags(write=False)
    spec = replace(LEVELS, resize=20)
    np.testing.assert_array_equal(preprocess(frozen, spec), preprocess(image, spec))
    mirrored = image[:, ::-1]
    np.testing.assert_array_equal(preprocess(mirrored, spec), preprocess(mirrored.copy(), spec))
