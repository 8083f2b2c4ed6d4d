from __future__ import annotations

import struct
import sys
import warnings
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from edgecnn_runtime.errors import ImageError
from edgecnn_runtime.image.load import load_image


def colours(height: int = 6, width: int = 9, channels: int = 3) -> np.ndarray:
    shape = (height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


# Arrays


def test_an_rgb_array_is_taken_as_it_is() -> None:
    array = colours()
    assert np.shares_memory(load_image(array), array)
    np.testing.assert_array_equal(load_image(array), array)


@pytest.mark.parametrize("shape", [(6, 9), (6, 9, 1)])
def test_a_grey_array_is_repeated_into_three_channels(shape: tuple[int, ...]) -> None:
    grey = colours(channels=1).reshape(shape)
    image = load_image(grey)
    assert image.shape == (6, 9, 3)
    for channel in range(3):
        np.testing.assert_array_equal(image[:, :, channel], grey.reshape(6, 9))


def test_the_alpha_of_an_array_is_dropped() -> None:
    array = colours(channels=4)
    np.testing.assert_array_equal(load_image(array), array[:, :, :3])


@pytest.mark.parametrize(
    ("array", "actual", "expected"),
    [
        (np.zeros((4, 4, 3), np.float32), "float32", "expected uint8"),
        (np.zeros((4, 4), np.uint16), "uint16", "expected uint8"),
        (np.zeros((3, 4, 5), np.uint8), "(3, 4, 5)", "C 1, 3 or 4"),
        (np.zeros((4, 4, 2), np.uint8), "(4, 4, 2)", "C 1, 3 or 4"),
        (np.zeros((1, 4, 4, 3), np.uint8), "(1, 4, 4, 3)", "one image at a time"),
        (np.zeros(4, np.uint8), "(4,)", "(height, width)"),
        (np.zeros((0, 4, 3), np.uint8), "(0, 4, 3)", "at least one pixel"),
        (np.zeros((4, 0), np.uint8), "(4, 0)", "at least one pixel"),
    ],
)
def test_an_array_that_is_no_image_is_refused_by_name(
    array: np.ndarray, actual: str, expected: str
) -> None:
    with pytest.raises(ImageError) as refusal:
        load_image(array)
    assert actual in str(refusal.value)
    assert expected in str(refusal.value)


def test_another_object_is_refused_by_its_type() -> None:
    with pytest.raises(
        ImageError, match="image is a list, expected a path, bytes, a Pillow image or a uint8 array"
    ):
        load_image([[0, 1]])  # type: ignore[arg-type]  # the mistake itself


# Files


def test_path_string_and_bytes_give_the_same_image(tmp_path: Path) -> None:
    path = tmp_path / "colours.png"
    path.write_bytes(encoded(Image.fromarray(colours())))
    for source in (path, str(path), path.read_bytes()):
        image = load_image(source)
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, colours())


def test_a_jpeg_is_decoded_as_pillow_decodes_it() -> None:
    data = encoded(Image.fromarray(colours(40, 50)), "JPEG")
    np.testing.assert_array_equal(load_image(data), np.asarray(Image.open(BytesIO(data))))


def test_a_grey_file_is_repeated_into_three_channels() -> None:
    grey = colours()[:, :, 0]
    np.testing.assert_array_equal(
        load_image(encoded(Image.fromarray(grey))), np.stack([grey] * 3, axis=2)
    )


def test_a_black_and_white_file_becomes_0_and_255() -> None:
    bits = np.eye(5, dtype=bool)
    image = load_image(encoded(Image.fromarray(bits)))
    np.testing.assert_array_equal(image[:, :, 0], bits * np.uint8(255))


def test_transparency_of_rgba_is_dropped_not_blended() -> None:
    array = colours(channels=4)
    array[0, 0] = 10, 20, 30, 0
    np.testing.assert_array_equal(load_image(encoded(Image.fromarray(array))), array[:, :, :3])


def test_transparency_of_grey_is_dropped_not_blended() -> None:
    array = colours(channels=2)
    data = encoded(Image.fromarray(array, "LA"))
    np.testing.assert_array_equal(load_image(data), np.stack([array[:, :, 0]] * 3, axis=2))


@pytest.mark.parametrize("transparency", [None, 1, bytes([0, 128, 255])])
def test_a_palette_becomes_its_colours_with_or_without_transparency(
    transparency: int | bytes | None,
) -> None:
    palette = np.array([[255, 0, 0], [0, 200, 0], [0, 0, 150]], np.uint8)
    indices = np.array([[0, 1, 2], [2, 1, 0]], np.uint8)
    image = Image.fromarray(indices)
    image.putpalette(palette.tobytes())
    options: dict[str, Any] = {} if transparency is None else {"transparency": transparency}
    np.testing.assert_array_equal(load_image(encoded(image, **options)), palette[indices])


def test_cmyk_becomes_rgb() -> None:
    # Ink of 0 is white paper; full black ink is black.
    inks = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [255, 0, 0, 0]]], np.uint8)
    image = load_image(encoded(Image.fromarray(inks, "CMYK"), "TIFF"))
    assert image.tolist() == [[[255, 255, 255], [0, 0, 0], [0, 255, 255]]]


def deep_png(levels: np.ndarray) -> bytes:
    """A 16-bit greyscale PNG, written by hand: the file, not Pillow, says what the levels are."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    height, width = levels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


DEEP = np.array([[0, 255, 256], [511, 32768, 65535]])
TOP_BITS = [[0, 0, 1], [1, 128, 255]]


def test_a_16_bit_grey_png_keeps_its_top_8_bits() -> None:
    image = load_image(deep_png(DEEP))
    assert image.shape == (2, 3, 3)
    for channel in range(3):
        assert image[:, :, channel].tolist() == TOP_BITS


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_16_bit_grey_of_either_byte_order_keeps_its_top_8_bits(dtype: str) -> None:
    tiff = encoded(Image.fromarray(DEEP.astype(dtype)), "TIFF")
    assert load_image(tiff)[:, :, 1].tolist() == TOP_BITS


def test_16_bit_levels_in_a_32_bit_file_keep_their_top_8_bits() -> None:
    tiff = encoded(Image.fromarray(DEEP.astype(np.int32)), "TIFF")
    assert load_image(tiff)[:, :, 1].tolist() == TOP_BITS


def test_float_levels_from_0_to_255_are_cut_to_whole_ones() -> None:
    levels = np.array([[0, 0.9, 127.5, 255]], np.float32)
    tiff = encoded(Image.fromarray(levels), "TIFF")
    assert load_image(tiff)[:, :, 2].tolist() == [[0, 0, 127, 255]]


@pytest.mark.parametrize(
    ("levels", "range_text"),
    [
        (np.array([[0, 65536]], np.int32), "grey levels 0 to 65536"),
        (np.array([[-1, 10]], np.int32), "grey levels -1 to 10"),
        (np.array([[0, 255]], np.int32), "grey levels 0 to 255"),
        (np.array([[0, 256]], np.float32), "grey levels 0.0 to 256.0"),
        (np.array([[-0.5, 1]], np.float32), "grey levels -0.5 to 1.0"),
        (np.array([[0, 1]], np.float32), "grey levels 0.0 to 1.0"),
        (np.array([[0, np.nan]], np.float32), "grey levels nan"),
    ],
)
def test_grey_levels_of_unknown_range_are_refused(levels: np.ndarray, range_text: str) -> None:
    with pytest.raises(ImageError, match=f"{range_text}.*expected 0 to"):
        load_image(encoded(Image.fromarray(levels), "TIFF"))


# What the camera held upright: EXIF 2.32, tag 274, as operations that undo the orientation.
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.transpose(1, 0, 2),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_a_turned_photograph_stands_upright(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    data = encoded(Image.fromarray(colours(24, 40)), kind, exif=exif.tobytes())
    stored = np.asarray(Image.open(BytesIO(data)))
    np.testing.assert_array_equal(load_image(data), UPRIGHT[orientation](stored))
    np.testing.assert_array_equal(
        load_image(data), np.asarray(ImageOps.exif_transpose(Image.open(BytesIO(data))))
    )


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (load_image(data) == (255, 0, 0)).all()


# Refusals: one clear line that names the file


def refusal(source: str | Path | bytes) -> str:
    with pytest.raises(ImageError) as caught:
        load_image(source)
    message = str(caught.value)
    assert "\n" not in message
    if not isinstance(source, bytes):
        assert str(source) in message
    return message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "absent.png")


def test_a_directory_is_named(tmp_path: Path) -> None:
    assert "is a folder" in refusal(tmp_path)


def test_a_path_with_a_null_character_is_refused() -> None:
    with pytest.raises(ImageError, match="null"):
        load_image("cat\0.png")


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("these are not the pixels you are looking for")
    assert "in no format that Pillow reads" in refusal(path)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.png"
    path.touch()
    assert "in no format that Pillow reads" in refusal(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
def test_a_truncated_file_is_named(tmp_path: Path, kind: str) -> None:
    data = encoded(Image.fromarray(colours(60, 80)), kind)
    path = tmp_path / f"cut.{kind.lower()}"
    path.write_bytes(data[: len(data) * 2 // 3])
    assert "damaged or cut short" in refusal(path)


def test_truncated_bytes_are_refused_by_their_size() -> None:
    data = encoded(Image.fromarray(colours(60, 80)))[:500]
    assert "image of 500 bytes" in refusal(data)


def test_a_png_with_a_wrong_checksum_is_refused() -> None:
    data = bytearray(encoded(Image.fromarray(colours(60, 80))))
    data[data.index(b"IDAT") + 100] ^= 0xFF
    assert "cannot be decoded" in refusal(bytes(data))


@pytest.mark.parametrize("pixels", [50, 90])
def test_an_image_that_inflates_too_far_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int
) -> None:
    # Pillow raises beyond twice its limit and warns, which a user can make an error, beyond once.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels)
    path = tmp_path / "bomb.png"
    path.write_bytes(encoded(Image.new("L", (11, 11))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "more pixels than Pillow trusts" in refusal(path)


def test_without_pillow_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "colours.png"
    path.write_bytes(encoded(Image.fromarray(colours())))
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert "pip install 'edgecnn[image]'" in refusal(path)


def test_without_pillow_arrays_are_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert load_image(colours()).shape == (6, 9, 3)
