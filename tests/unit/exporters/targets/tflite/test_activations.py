from __future__ import annotations

from math import inf

import pytest
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.targets.tflite.activations import (
    activation_code,
    integer_bounds,
    is_saturation,
)
from edgecnn_runtime.encoding import Encoding

CODE = schema.ActivationFunctionType


@pytest.mark.parametrize(
    ("bounds", "encoding", "ends"),
    [
        ((0, inf), Encoding(0.1, 0), (0, 255)),
        ((0, inf), Encoding(0.1, 100), (100, 255)),
        ((0, 6), Encoding(6 / 255, 0), (0, 255)),
        ((0, 6), Encoding(0.1, 0), (0, 60)),
        ((-0.2, 0.25), Encoding(0.01, 20), (0, 45)),
        # Half a step is not there, and more than half a step is the next one.
        ((0.1, 0.6), Encoding(0.002, 0), (50, 255)),
        ((-0.004, 1), Encoding(0.01, 1), (1, 101)),
        ((-9, 9), Encoding(0.01, 128), (0, 255)),
    ],
)
def test_a_clip_of_reals_is_a_clip_of_the_integers_that_its_bounds_round_to(
    bounds: tuple[float, float], encoding: Encoding, ends: tuple[int, int]
) -> None:
    assert integer_bounds(bounds, encoding) == ends
    assert is_saturation(bounds, encoding) == (ends == (0, 255))


@pytest.mark.parametrize(
    ("bounds", "encoding", "code"),
    [
        ((0, inf), None, CODE.RELU),
        ((0, 6), None, CODE.RELU6),
        ((-1, 1), None, CODE.RELU_N1_TO_1),
        ((0, 1), None, None),
        ((0, inf), Encoding(0.1, 0), CODE.RELU),
        ((0, 40), Encoding(0.1, 100), CODE.RELU),
        ((-3, 6), Encoding(0.1, 0), CODE.RELU6),
        ((0, 1), Encoding(0.1, 100), None),
    ],
)
def test_an_activation_is_taken_where_it_clips_alike(
    bounds: tuple[float, float], encoding: Encoding | None, code: int | None
) -> None:
    assert activation_code(bounds, encoding) == code
