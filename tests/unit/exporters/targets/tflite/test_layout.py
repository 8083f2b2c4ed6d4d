"""How many TRANSPOSE operators are left, and why."""

from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.targets.tflite.support import canonical, check, parse, read

from edgecnn_exporters.targets.tflite.write import write_tflite

RANDOM = np.random.default_rng(0)
WEIGHTS = {
    name: RANDOM.standard_normal(shape).astype(np.float32)
    for name, shape in {
        "c": (4, 3, 3, 3),
        "d": (4, 4, 3, 3),
        "fc": (5, 4 * 6 * 6),
        "head": (5, 4),
    }.items()
}
SIZES = {
    "flat": np.array([1, -1]),
    "groups": np.array([1, 2, 2, 6, 6]),
    "joined": np.array([1, 4, 6, 6]),
    "plane": np.array([1, 4, 36]),
    "last": np.array([2, 3]),
    "tail": np.array([-1]),
}
CONV = "c1 = Conv <pads = [1, 1, 1, 1]> (x, c)"


def known(body: str) -> dict[str, np.ndarray]:
    return {n: a for n, a in {**WEIGHTS, **SIZES}.items() if f" {n})" in body or f" {n}," in body}


@pytest.mark.parametrize(
    ("body", "answers", "transposes"),
    [
        (f"{CONV} f = Flatten (c1) y = Gemm <transB = 1> (f, fc)", "N, C", 0),
        (f"{CONV} f = Reshape (c1, flat) y = Gemm <transB = 1> (f, fc)", "N, C", 0),
        (
            f"{CONV} g = GlobalAveragePool (c1) f = Flatten (g) y = Gemm <transB = 1> (f, head)",
            "N, C",
            0,
        ),
        (
            f"{CONV} g = ReduceMean <keepdims = 0> (c1, last) y = Gemm <transB = 1> (g, head)",
            "N, C",
            0,
        ),
        # There and back again is nowhere.
        (
            f"{CONV} t = Transpose <perm = [0, 2, 3, 1]> (c1) r = Relu (t) "
            "b = Transpose <perm = [0, 3, 1, 2]> (r) y = Conv (b, d)",
            "N, C, H, W",
            0,
        ),
        # The channels change places: (groups, each) to (each, groups), and that is one of them.
        (
            f"{CONV} g = Reshape (c1, groups) t = Transpose <perm = [0, 2, 1, 3, 4]> (g) "
            "s = Reshape (t, joined) y = Conv (s, d)",
            "N, C, H, W",
            1,
        ),
        # The result is asked for in ONNX's own order of three axes.
        (f"{CONV} y = Reshape (c1, plane)", "N, C, P", 1),
        (f"{CONV} y = Flatten (c1)", "N, C", 1),
        (f"{CONV} r = Relu (c1) y = Add (c1, r)", "N, C, H, W", 0),
    ],
)
def test_transposes_that_are_left(body: str, answers: str, transposes: int) -> None:
    text = f"g (float[1, 3, 6, 6] x) => (float[{answers}] y) {{ {body} }}"
    found = check(text, known(body))
    assert found.transposes == transposes
    assert found.layout == "NHWC"


def test_a_network_that_turns_its_image_itself_is_fed_as_it_was() -> None:
    text = """g (float[1, 6, 6, 3] x) => (float[N, C] y)
    { t = Transpose <perm = [0, 3, 1, 2]> (x) a = Conv <pads = [1, 1, 1, 1]> (t, c)
    f = Flatten (a) y = Gemm <transB = 1> (f, fc) }"""
    found = check(text, known(text))
    assert (found.transposes, found.layout) == (0, None)
    assert read(found).tensors["x"].shape == (1, 6, 6, 3)


def test_a_network_without_images_has_no_layout() -> None:
    text = "g (float[1, 4] x) => (float[N, C] y) { y = Gemm <transB = 1> (x, head) }"
    assert check(text, known(text)).layout is None


def test_the_graph_that_is_written_stays_as_it_was() -> None:
    from edgecnn_exporters.capture.reference import to_bytes

    model = canonical(
        parse(
            f"g (float[N, 3, 6, 6] x) => (float[N, C, H, W] y) {{ {CONV} y = Relu (c1) }}",
            {"c": WEIGHTS["c"]},
        )
    )
    before = to_bytes(model)
    write_tflite(model)
    assert to_bytes(model) == before


def test_an_output_that_is_another_or_the_input_has_a_tensor_of_its_own() -> None:
    text = """g (float[1, 3, 4, 5] x) => (float[N, C, H, W] y, float[N, C, H, W] z,
        float[N, C, H, W] w) { y = Relu (x) z = Identity (y) w = Identity (x) }"""
    assert read(check(text)).codes == ["RELU", "RESHAPE", "RESHAPE"]
