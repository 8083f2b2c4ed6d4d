from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate
from unit.exporters.targets.tflite.support import (
    answer,
    by_onnxruntime,
    canonical,
    check,
    parse,
    read,
)

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.targets.tflite.write import write_tflite

IMAGE = "g (float[1, 3, 4, 5] x) => (float[N, C, H, W] y)"
WHERE = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
SIZES = [(8, 10), (2, 15), (7, 7), (4, 5)]


def resize(attributes: str, size: tuple[int, int]) -> tuple[str, dict[str, np.ndarray]]:
    text = f"{IMAGE} {{ y = Resize <{attributes}> (x, , , s) }}"
    return text, {"s": np.array([1, 3, *size])}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_nearest_pixel(where: str, rounding: str, size: tuple[int, int]) -> None:
    text, known = resize(
        f'coordinate_transformation_mode = "{where}", nearest_mode = "{rounding}"',
        size,
    )
    found = check(text, known, evaluate=by_onnxruntime)
    assert set(read(found).codes) <= {"RESIZE_NEAREST_NEIGHBOR", "GATHER"}


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("factors", [(1.7, 1.3), (1.2, 0.3), (1.0, 2.3)], ids=str)
def test_the_nearest_pixel_by_a_factor_that_float32_only_comes_near(
    where: str, rounding: str, factors: tuple[float, float]
) -> None:
    """Row 17 of 1.7 times as many is row 10 of the picture, though 17 / float32(1.7) is less."""
    text = f"""g (float[1, 2, 30, 30] x) => (float[N, C, H, W] y) {{ y = Resize
    <coordinate_transformation_mode = "{where}", nearest_mode = "{rounding}"> (x, , s) }}"""
    check(text, {"s": np.array([1, 1, *factors], np.float32)}, evaluate=by_onnxruntime)


def test_a_factor_that_leaves_the_size_moves_no_pixel() -> None:
    text = """g (float[1, 3, 3, 3] x) => (float[N, C, H, W] y) { y = Resize
    <coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"> (x, , s) }"""
    check(text, {"s": np.array([1, 1, 1.1, 1.2], np.float32)}, evaluate=by_onnxruntime)


@pytest.mark.parametrize("factor", [1.3, 1.7, 2.6])
def test_pytorch_takes_the_same_pixels_by_a_factor(factor: float) -> None:
    text = """g (float[1, 1, 40, 40] x) => (float[N, C, H, W] y) { y = Resize
    <coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"> (x, , s) }"""
    proto = parse(text, {"s": np.array([1, 1, factor, factor], np.float32)})
    image = np.arange(1600, dtype=np.float32).reshape(1, 1, 40, 40)
    right = interpolate(torch.from_numpy(image), scale_factor=factor, mode="nearest").numpy()
    made = answer(write_tflite(canonical(proto)), {"x": image})["y"]
    np.testing.assert_array_equal(made, right)


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_between_two_pixels(where: str, size: tuple[int, int]) -> None:
    text, known = resize(f'coordinate_transformation_mode = "{where}", mode = "linear"', size)
    assert read(check(text, known, evaluate=by_onnxruntime)).codes == ["RESIZE_BILINEAR"]


def test_what_pytorch_writes_for_a_nearest_upsampling_is_one_operator() -> None:
    """As torch.nn.Upsample is exported, and every segmentation network upsamples."""
    text, known = resize(
        'coordinate_transformation_mode = "asymmetric", mode = "nearest", nearest_mode = "floor"',
        (8, 10),
    )
    assert read(check(text, known)).codes == ["RESIZE_NEAREST_NEIGHBOR"]


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_scales_say_the_size_too(mode: str) -> None:
    text = f"""g (float[1, 3, 4, 5] x) => (float[N, C, H, W] y)
    {{ y = Resize <mode = "{mode}"> (x, , s) }}"""
    known = {"s": np.array([1, 1, 1.5, 2.0], np.float32)}
    check(text, known, evaluate=by_onnxruntime)


def test_axes_say_which_are_resized() -> None:
    text = """g (float[1, 3, 4, 5] x) => (float[N, C, H, W] y)
    { y = Resize <mode = "linear", axes = [3, 2]> (x, , , s) }"""
    check(text, {"s": np.array([10, 8])}, evaluate=by_onnxruntime)


@pytest.mark.parametrize(
    ("text", "known", "says"),
    [
        (*resize('mode = "cubic"', (8, 10)), "mode cubic with half_pixel has no kernel there"),
        (*resize('mode = "linear", antialias = 1', (2, 3)), "nor has antialias"),
        (
            "g (float[1, 3, 4, 5] x) => (float[N, C, H, W] y) { y = Resize (x, , , s) }",
            {"s": np.array([1, 6, 4, 5])},
            "only height and width can be resized",
        ),
        (
            f'{IMAGE} {{ y = Resize <mode = "linear"> (x, , s) }}',
            {"s": np.array([1, 1, 0.6, 0.6], np.float32)},
            "scale 0.6 makes 2 of 4 pixels, but not exactly; give the size",
        ),
    ],
)
def test_other_resizes_are_refused(text: str, known: dict[str, np.ndarray], says: str) -> None:
    with pytest.raises(UnsupportedModel, match=rf"^y \(Resize\) cannot .*{says}"):
        write_tflite(canonical(parse(text, known)))
