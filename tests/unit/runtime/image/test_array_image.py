"""Images given as arrays, tensors and Pillow images: channel order, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edgecnn_runtime.errors import ImageError
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.manifest import Colour, Preprocess

RED, GREEN, BLUE = 200, 100, 50


def frame(*channels: int) -> np.ndarray:
    """An image of 2x3 pixels of one colour."""
    return np.tile(np.array(channels, np.uint8), (2, 3, 1))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("network", ["RGB", "BGR"])
@pytest.mark.parametrize(
    ("order", "channels"), [("RGB", (RED, GREEN, BLUE)), ("BGR", (BLUE, GREEN, RED))]
)
def test_the_order_of_the_frame_and_of_the_network_are_two_things(
    network: Colour, order: str, channels: tuple[int, ...]
) -> None:
    spec = Preprocess(network, (2, 3), "bilinear", None, 1.0, (0, 0, 0), (1, 1, 1))
    made = preprocess(load_image(frame(*channels), order), spec)  # type: ignore[arg-type]
    expected = (RED, GREEN, BLUE) if network == "RGB" else (BLUE, GREEN, RED)
    assert made[0, :, 0, 0].tolist() == list(expected)


def test_a_bgr_frame_is_read_without_a_copy_and_its_transparency_dropped() -> None:
    for channels in ((BLUE, GREEN, RED), (BLUE, GREEN, RED, 9)):
        array = frame(*channels)
        image = load_image(array, "BGR")
        assert np.shares_memory(image, array)
        np.testing.assert_array_equal(image, frame(RED, GREEN, BLUE))


def test_grey_is_grey_in_either_order() -> None:
    grey = noise(4, 5)
    np.testing.assert_array_equal(load_image(grey, "BGR"), load_image(grey))


def test_a_bgr_frame_is_resized_as_its_rgb_copy_is() -> None:
    spec = Preprocess("RGB", 32, "bilinear", (24, 24), 1 / 255, (0, 0, 0), (1, 1, 1))
    array = noise(90, 120, 3)
    np.testing.assert_array_equal(
        preprocess(load_image(array[:, :, ::-1].copy(), "BGR"), spec),
        preprocess(load_image(array), spec),
    )


def test_views_and_read_only_arrays_are_images() -> None:
    array = noise(8, 9, 3)
    array.setflags(write=False)
    for view in (array, array[::-1, 1::2], array[:, :, ::-1]):
        np.testing.assert_array_equal(load_image(view), view)


@pytest.mark.parametrize("colour", ["rgb", "GBR", "", None])
def test_another_order_of_colours_is_refused(colour: str) -> None:
    with pytest.raises(ImageError, match=r"colour is .*, expected 'RGB' or 'BGR'"):
        load_image(frame(1, 2, 3), colour)  # type: ignore[arg-type]  # the mistake itself


def test_a_file_says_its_colours_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    image = Image.fromarray(frame(RED, GREEN, BLUE))
    image.save(path)
    for source in (path, str(path), path.read_bytes(), image):
        with pytest.raises(ImageError, match="leave out colour='BGR'"):
            load_image(source, "BGR")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, r"image is None, which cv2.imread returns for a file that is missing"),
        (np.zeros((3, 7, 9), np.uint8), r"pass image.transpose\(1, 2, 0\)"),
        (np.zeros((4, 4, 3), np.float32), r"\(image \* 255\).round\(\).astype\('uint8'\)"),
        (np.zeros((4, 4), np.uint16), r"\(image >> 8\).astype\('uint8'\)"),
        (np.zeros((4, 4), np.int64), r"image.astype\('uint8'\)"),
        (np.zeros((4, 4), bool), r"image.astype\('uint8'\) \* 255"),
        (np.array([None, None]), "pass the list of images itself"),
        (torch.zeros(3, 4, 5), r"image tensor is float32, expected uint8"),
        (torch.zeros(3, 4, 3, dtype=torch.uint8), "may be the first or the last axis"),
        (torch.zeros(4, 4, dtype=torch.uint8).to_sparse(), r"\(4, 4\) has no array: .*to_dense"),
        (torch.zeros(4, 4, dtype=torch.uint8, device="meta"), "has no array: .*no data"),
        (Image.new("La", (2, 2)), r"from La to L not supported; pass an open image, such as"),
    ],
)
def test_what_is_no_image_is_answered_with_what_makes_one(source: object, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        load_image(source)  # type: ignore[arg-type]  # the mistake itself


def test_a_tensor_is_read_with_its_channels_first_or_last() -> None:
    array = noise(6, 7, 3)
    tensor = torch.from_numpy(array)
    for source in (tensor, tensor.permute(2, 0, 1), tensor.permute(2, 0, 1).contiguous()):
        np.testing.assert_array_equal(load_image(source), array)
    np.testing.assert_array_equal(load_image(tensor, "BGR"), array[:, :, ::-1])


def test_a_pillow_image_is_read_as_its_file_is_and_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    Image.fromarray(noise(8, 12, 3)).save(path, exif=exif)
    with Image.open(path) as image:
        np.testing.assert_array_equal(load_image(image), load_image(path))
        assert image.size == (12, 8)
    palette = Image.fromarray(noise(8, 12, 3)).convert("P")
    np.testing.assert_array_equal(load_image(palette), np.asarray(palette.convert("RGB")))


def test_a_pillow_image_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.png"
    Image.fromarray(noise(60, 60, 3)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with (
        Image.open(path) as image,
        pytest.raises(ImageError, match="Pillow image of 60x60 cannot be decoded"),
    ):
        load_image(image)
