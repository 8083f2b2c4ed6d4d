"""Resize and Pad of some axes against ONNX Runtime's answers."""

from __future__ import annotations

import pytest
from unit.exporters.passes.support import Outcome, apply, by_onnxruntime

from edgecnn_exporters.passes.axes import NameAllAxes

NUMBERS = """<int64[2] small = {5, 6}, int64[2] wide = {9, 20}, float[2] factors = {1.5, 0.5},
float[1] double = {2.0}, int64[2] edge = {1, 2}, int64[4] edges = {1, 0, 2, 3},
int64[1] last = {-1}, int64[2] image = {2, -1}, float[4] window = {0.0, 0.25, 0.75, 1.0}>"""


def named(body: str, reads: str = "float[N, 2, 7, 8] x") -> Outcome:
    text = f"g ({reads}) => (float[N, C, H, W] y) {NUMBERS} {{ {body} }}"
    return apply(NameAllAxes, text, opset=19, evaluate=by_onnxruntime)


@pytest.mark.parametrize(
    "body",
    [
        'y = Resize <axes = [2, 3], mode = "linear"> (x, , , small)',
        'y = Resize <axes = [3, 2], mode = "linear"> (x, , , small)',
        'y = Resize <axes = [-2, -1], mode = "cubic"> (x, , factors)',
        "y = Resize <axes = [-1]> (x, , double)",
        'y = Resize <axes = [2, 3], mode = "linear", coordinate_transformation_mode = '
        '"tf_crop_and_resize"> (x, window, , small)',
        'y = Resize <axes = [2, 3], keep_aspect_ratio_policy = "not_larger"> (x, , , wide)',
        'y = Resize <axes = [2, 3], keep_aspect_ratio_policy = "not_smaller"> (x, , , wide)',
    ],
)
def test_a_resize_of_some_axes_becomes_one_of_all(body: str) -> None:
    found = named(body)
    assert found.modified
    (resize,) = [node for node in found.model.graph if node.op_type == "Resize"]
    assert not {"axes", "keep_aspect_ratio_policy"} & set(resize.attributes)


@pytest.mark.parametrize(
    "body",
    [
        "y = Pad (x, edges, , image)",
        'y = Pad <mode = "reflect"> (x, edge, , last)',
    ],
)
def test_a_pad_of_some_axes_becomes_one_of_all(body: str) -> None:
    found = named(body)
    assert found.modified
    (pad,) = found.model.graph
    assert pad.inputs[1] is not None
    assert pad.inputs[1].shape == [8]
    assert pad.inputs[3:] == () or pad.inputs[3] is None


def test_proportions_of_an_image_of_unknown_size_are_left_to_the_runtime() -> None:
    body = 'y = Resize <axes = [2, 3], keep_aspect_ratio_policy = "not_larger"> (x, , , wide)'
    assert not named(body, "float[N, 2, H0, W0] x").modified


def test_what_is_of_all_axes_already_stays() -> None:
    assert not named("y = Relu (x)").modified
