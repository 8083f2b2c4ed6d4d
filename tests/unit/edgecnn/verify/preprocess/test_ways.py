from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from edgecnn.verify.preprocess.ways import WAYS, Way
from edgecnn.zoo import IMAGENET, MNIST
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Preprocess

BY_NAME = {way.name: way for way in WAYS}
RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.integers(0, 256, (40, 60, 3), dtype=np.uint8)
# Shorter side to 16 of 40, the middle 12 × 12 of it.
CROPPED = replace(IMAGENET, resize=16, crop=(12, 12))
SQUASHED = replace(IMAGENET, resize=(16, 20), crop=None)
AS_IS = replace(IMAGENET, resize=None, crop=None)
# Grey levels as they are, so that an input can be read off.
PLAIN = Preprocess("RGB", (10, 15), "bilinear", None, 1.0, (0.0,) * 3, (1.0,) * 3)


def made(name: str, spec: Preprocess, image: np.ndarray = IMAGE) -> np.ndarray:
    assert BY_NAME[name].inapplicable(spec) == ""
    return BY_NAME[name].prepare(image, spec)


@pytest.mark.parametrize(
    "spec",
    [
        CROPPED,
        SQUASHED,
        replace(CROPPED, crop=(24, 10)),
        replace(CROPPED, layout="NHWC"),
        replace(CROPPED, colour="BGR"),
        replace(MNIST, resize=(28, 28)),
    ],
    ids=["cropped", "squashed", "framed", "NHWC", "BGR", "grey"],
)
def test_pillow_by_hand_is_the_bundles_own(spec: Preprocess) -> None:
    own = preprocess(IMAGE, spec)
    np.testing.assert_allclose(made("Pillow bilinear", spec), own, rtol=0, atol=1e-5)
    bicubic = replace(spec, filter="bicubic")
    found = made("Pillow bicubic", spec)
    np.testing.assert_allclose(found, preprocess(IMAGE, bicubic), rtol=0, atol=1e-5)


def blocks(side: int) -> np.ndarray:
    """(1, 3, 40 / side, 60 / side, side, side): the image cut into squares."""
    planes = IMAGE.transpose(2, 0, 1).astype(np.float64)
    cut = planes.reshape(3, 40 // side, side, 60 // side, side)
    return cut.transpose(0, 1, 3, 2, 4)[None]


def test_without_antialias_a_quarter_of_the_pixels_is_read() -> None:
    expected = blocks(4)[..., 1:3, 1:3].mean(axis=(-1, -2))
    np.testing.assert_allclose(made("torch bilinear", PLAIN), expected, atol=1e-3)
    pytest.importorskip("cv2")
    # OpenCV rounds.
    np.testing.assert_allclose(made("OpenCV linear", PLAIN), expected, atol=0.51)


def test_by_area_every_pixel_counts_alike() -> None:
    pytest.importorskip("cv2")
    expected = blocks(4).mean(axis=(-1, -2))
    np.testing.assert_allclose(made("OpenCV area", PLAIN), expected, atol=0.51)


def test_nearest_reads_one_pixel() -> None:
    expected = blocks(4)[..., 2, 2]
    np.testing.assert_array_equal(made("Pillow nearest", PLAIN), expected)


def test_antialiased_in_torch_is_pillow_before_it_rounds() -> None:
    own = preprocess(IMAGE, PLAIN)
    fractions = made("torch antialiased", PLAIN)
    assert np.abs(fractions - own).max() <= 1
    assert np.abs(fractions - np.round(fractions)).max() > 0.4
    np.testing.assert_array_equal(made("the same, rounded", PLAIN), np.round(fractions))
    np.testing.assert_array_equal(made("the same, cut", PLAIN), np.floor(fractions + 1e-4))


def pillow(size: tuple[int, int]) -> np.ndarray:
    """The image resized to (height, width), (height, width, 3)."""
    return np.asarray(Image.fromarray(IMAGE).resize(size[::-1], Image.Resampling.BILINEAR))


def normalised(levels: np.ndarray) -> np.ndarray:
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    return ((levels / 255 - mean) / std).transpose(2, 0, 1)[None]


@pytest.mark.parametrize(
    ("name", "spec", "levels"),
    [
        ("squashed", CROPPED, pillow((12, 12))),
        # 40 × 60 becomes 12 × 18, or 20 × 30.
        ("no margin", CROPPED, pillow((12, 18))[:, 3:15]),
        ("aspect kept", SQUASHED, pillow((20, 30))[2:18, 5:25]),
        ("not resized", CROPPED, IMAGE[14:26, 24:36]),
        ("cropped at a corner", CROPPED, pillow((16, 24))[:12, :12]),
        ("BGR for RGB", CROPPED, pillow((16, 24))[2:14, 6:18, ::-1]),
    ],
)
def test_other_pixels_are_taken(name: str, spec: Preprocess, levels: np.ndarray) -> None:
    np.testing.assert_allclose(made(name, spec), normalised(levels), atol=1e-5)


MEAN, STD = (np.reshape(values, (3, 1, 1)) for values in (IMAGENET.mean, IMAGENET.std))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mean, std left out", lambda x: x / 255),
        ("mean, std swapped", lambda x: (x / 255 - STD) / MEAN),
        ("0…255", lambda x: (x - MEAN) / STD),
        ("−1…1", lambda x: x / 127.5 - 1),
    ],
)
def test_numbers_are_made_of_pixels_in_another_way(name: str, expected) -> None:  # type: ignore[no-untyped-def]
    levels = IMAGE.transpose(2, 0, 1)[None].astype(np.float64)
    np.testing.assert_allclose(made(name, AS_IS), expected(levels), rtol=1e-5, atol=1e-5)


def test_imagenets_numbers_are_put_on_another_network() -> None:
    spec = replace(AS_IS, mean=(0.5,) * 3, std=(0.5,) * 3)
    expected = normalised(IMAGE)
    np.testing.assert_allclose(made("ImageNet's mean, std", spec), expected, atol=1e-5)


def test_pixels_are_read_in_the_order_of_another_layout() -> None:
    found = made("reshaped", replace(PLAIN, resize=None))
    np.testing.assert_array_equal(found.ravel(), IMAGE.ravel())
    nhwc = replace(PLAIN, resize=None, layout="NHWC")
    np.testing.assert_array_equal(made("reshaped", nhwc).ravel(), IMAGE.transpose(2, 0, 1).ravel())


UNIT = replace(SQUASHED, mean=(0.0,) * 3, std=(1.0,) * 3)
SIGNED = replace(SQUASHED, mean=(0.5,) * 3, std=(0.5,) * 3)
GREY = replace(MNIST, resize=(28, 28))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (CROPPED, {"aspect kept", "ImageNet's mean, std"}),
        (
            UNIT,
            {"squashed", "no margin", "not resized", "cropped at a corner"}
            | {"mean, std left out", "mean, std swapped"},
        ),
        (
            SIGNED,
            {"squashed", "no margin", "not resized", "cropped at a corner"}
            | {"mean, std swapped", "−1…1"},
        ),
        (
            GREY,
            {"squashed", "no margin", "not resized", "cropped at a corner"}
            | {"BGR for RGB", "ImageNet's mean, std", "reshaped"},
        ),
    ],
    ids=["cropped", "unit", "signed", "grey"],
)
def test_a_way_that_is_the_bundles_own_says_so(spec: Preprocess, expected: set[str]) -> None:
    said = {way.name: way.inapplicable(spec) for way in WAYS}
    assert {name for name, reason in said.items() if reason} == expected


@pytest.mark.parametrize("spec", [CROPPED, UNIT, SIGNED, GREY, replace(CROPPED, layout="NHWC")])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_every_way_makes_what_the_network_reads(way: Way, spec: Preprocess) -> None:
    pytest.importorskip(way.package)
    if way.inapplicable(spec):
        return
    found, own = way.prepare(IMAGE, spec), preprocess(IMAGE, spec)
    assert (found.shape, found.dtype) == (own.shape, own.dtype)
    assert found.flags.c_contiguous
