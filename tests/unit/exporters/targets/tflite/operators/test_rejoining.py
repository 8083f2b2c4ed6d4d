from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.targets.tflite.support import canonical, check, parse, read

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite


def numbers(*values: int) -> np.ndarray:
    return np.array(values)


IMAGE = "g (float[1, 8, 4, 6] x) => (float[N, C, H, W] y)"
# Body, its constants, and the operators that compute it.
MOVES: dict[str, tuple[str, dict[str, np.ndarray], list[str]]] = {
    "concat of channels": (
        "r = Relu (x) y = Concat <axis = 1> (x, r)",
        {},
        ["RELU", "CONCATENATION"],
    ),
    "concat of rows": ("r = Relu (x) y = Concat <axis = -2> (x, r)", {}, ["RELU", "CONCATENATION"]),
    "concat with a constant": (
        "y = Concat <axis = 1> (x, more)",
        {"more": np.ones((1, 2, 4, 6), np.float32)},
        ["CONCATENATION"],
    ),
    "split": (
        "a, b = Split <axis = 1, num_outputs = 2> (x) y = Concat <axis = 1> (b, a)",
        {},
        ["SPLIT", "CONCATENATION"],
    ),
    "split into unequal parts": (
        "a, b = Split <axis = 1> (x, sizes) y = Concat <axis = 1> (b, a)",
        {"sizes": numbers(3, 5)},
        ["SPLIT_V", "CONCATENATION"],
    ),
    "split of which one part is used": (
        "a, b = Split <axis = 1, num_outputs = 2> (x) y = Relu (b)",
        {},
        ["SPLIT", "RELU"],
    ),
    "slice": (
        "y = Slice (x, s, e, a)",
        {"s": numbers(1, 2), "e": numbers(3, 5), "a": numbers(2, 3)},
        ["SLICE"],
    ),
    "tile": ("y = Tile (x, times)", {"times": numbers(1, 2, 1, 3)}, ["TILE"]),
    "tile of an image whose channels lie last": (
        "a = Conv (x, w) y = Tile (a, times)",
        {"w": np.ones((2, 8, 1, 1), np.float32), "times": numbers(1, 3, 2, 1)},
        ["CONV_2D", "TILE"],
    ),
    "slice from the end": (
        "y = Slice (x, s, e, a)",
        {"s": numbers(-3), "e": numbers(2**63 - 1), "a": numbers(-1)},
        ["SLICE"],
    ),
    "slice beyond the end": (
        "y = Slice (x, s, e, a)",
        {"s": numbers(1), "e": numbers(1000), "a": numbers(1)},
        ["SLICE"],
    ),
    "slice of all axes": (
        "y = Slice (x, s, e)",
        {"s": numbers(0, 1, 1, 2), "e": numbers(1, 7, 3, 6)},
        ["SLICE"],
    ),
    "slice with steps": (
        "y = Slice (x, s, e, a, t)",
        {"s": numbers(1, 0), "e": numbers(8, 6), "a": numbers(1, 3), "t": numbers(3, 2)},
        ["STRIDED_SLICE"],
    ),
    "slice backwards": (
        "y = Slice (x, s, e, a, t)",
        {"s": numbers(-1), "e": numbers(-(2**63)), "a": numbers(3), "t": numbers(-1)},
        ["STRIDED_SLICE"],
    ),
    "slice backwards by two": (
        "y = Slice (x, s, e, a, t)",
        {"s": numbers(6), "e": numbers(0), "a": numbers(1), "t": numbers(-2)},
        ["STRIDED_SLICE"],
    ),
    "gather": ("y = Gather <axis = 1> (x, i)", {"i": numbers(3, 0, -1)}, ["GATHER"]),
    "depth to space": ("y = DepthToSpace <blocksize = 2> (x)", {}, ["DEPTH_TO_SPACE"]),
    "depth to space, CRD": (
        'y = DepthToSpace <blocksize = 2, mode = "CRD"> (x)',
        {},
        ["GATHER", "DEPTH_TO_SPACE"],
    ),
    "space to depth": ("y = SpaceToDepth <blocksize = 2> (x)", {}, ["SPACE_TO_DEPTH"]),
    "expand": (
        "m = GlobalAveragePool (x) y = Expand (m, s)",
        {"s": numbers(1, 8, 2, 3)},
        ["MEAN", "BROADCAST_TO"],
    ),
}


def test_places_along_several_axes_are_gathered_at_once() -> None:
    """As an adaptive pool writes windows that do not divide its image."""
    known = {"places": np.array([[[0, 3], [0, -1]]])}
    assert "GATHER_ND" in read(check(f"{IMAGE} {{ y = GatherND (x, places) }}", known)).codes


@pytest.mark.parametrize("case", MOVES.values(), ids=MOVES.keys())
def test_moves(case: tuple[str, dict[str, np.ndarray], list[str]]) -> None:
    body, known, operators = case
    assert read(check(f"{IMAGE} {{ {body} }}", known)).codes == operators


@pytest.mark.parametrize("index", [2, -1])
def test_one_index_takes_its_axis_away(index: int) -> None:
    text = "g (float[1, 8, 4, 6] x) => (float[N, H, W] y) { y = Gather <axis = 1> (x, i) }"
    found = check(text, {"i": np.array(index)})
    assert "GATHER" in read(found).codes


def test_indices_of_several_axes_bring_theirs() -> None:
    text = "g (float[2, 5] x) => (float[A, B, C] y) { y = Gather <axis = 1> (x, i) }"
    found = check(text, {"i": np.array([[0, 4], [2, -5]])}, options=TfliteOptions(batch=2))
    assert read(found).codes == ["GATHER", "RESHAPE"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "g (float[1, 4] x, int64[2] i) => (float[N, C] y) { y = Gather <axis = 1> (x, i) }",
            "i holds INT64",
        ),
        (
            "g (float[1, 8, 4, 6] x) => (float[N, C, H, W] y) <int64[1] s = {3}, int64[1] e = {3}>"
            "{ t = Slice (x, s, e) y = Relu (t) }",
            "t has shape .*0.*: an axis of 0 holds nothing to compute",
        ),
    ],
)
def test_what_cannot_be_moved_is_refused(text: str, says: str) -> None:
    with pytest.raises(UnsupportedModel, match=says):
        write_tflite(canonical(parse(text)))
