from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.targets.tflite.support import canonical, check, parse, read

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite

RANDOM = np.random.default_rng(0)
KNOWN = {
    name: RANDOM.standard_normal(shape).astype(np.float32)
    for name, shape in {
        "w": (4, 6),
        "wt": (6, 4),
        "b": (4,),
        "row": (1, 4),
        "matrix": (2, 4),
        "one": (1,),
        "w3": (3, 2, 6, 4),
        "c": (4, 3, 3, 3),
        "image": (5, 4 * 6 * 5),
    }.items()
}


def constants(body: str) -> dict[str, np.ndarray]:
    return {n: a for n, a in KNOWN.items() if f" {n})" in body or f" {n}," in body}


@pytest.mark.parametrize(
    ("body", "operators"),
    [
        ("y = Gemm <transB = 1> (x, w, b)", ["FULLY_CONNECTED"]),
        ("y = Gemm <transB = 1> (x, w)", ["FULLY_CONNECTED"]),
        ("y = Gemm (x, wt, row)", ["FULLY_CONNECTED"]),
        ("y = Gemm (x, wt, one)", ["FULLY_CONNECTED"]),
        ("y = Gemm <alpha = 0.5, beta = 3.0> (x, wt, b)", ["FULLY_CONNECTED"]),
        ("y = Gemm (x, wt, matrix)", ["FULLY_CONNECTED", "ADD"]),
        ("m = Gemm (x, wt) y = Gemm (x, wt, m)", ["FULLY_CONNECTED"] * 2 + ["ADD"]),
        ("t = Transpose (x) y = Gemm <transA = 1> (t, wt, b)", ["FULLY_CONNECTED"]),
        ("a = Gemm <transB = 1> (x, w, b) y = Relu (a)", ["FULLY_CONNECTED"]),
        ("y = MatMul (x, wt)", ["FULLY_CONNECTED"]),
        ("m = MatMul (x, wt) y = Add (m, b)", ["FULLY_CONNECTED", "ADD"]),
    ],
)
def test_fully_connected_layers(body: str, operators: list[str]) -> None:
    text = f"g (float[2, 6] x) => (float[N, C] y) {{ {body} }}"
    found = check(text, constants(body), options=TfliteOptions(batch=2))
    assert read(found).codes == operators


@pytest.mark.parametrize(
    ("sizes", "body", "operator", "transposes"),
    [
        ("2, 3, 6", "y = MatMul (x, wt)", "FULLY_CONNECTED", 0),
        # An image lies channels last, a product wants rows and columns last: there and back.
        ("3, 2, 5, 6", "y = MatMul (x, w3)", "BATCH_MATMUL", 2),
        ("2, 3, 6", "t = Transpose <perm = [0, 2, 1]> (x) y = MatMul (x, t)", "BATCH_MATMUL", 1),
    ],
)
def test_products_of_more_axes(sizes: str, body: str, operator: str, transposes: int) -> None:
    rank = len(sizes.split(","))
    letters = ", ".join("NCHW"[:rank])
    text = f"g (float[{sizes}] x) => (float[{letters}] y) {{ {body} }}"
    found = check(text, constants(body), options=TfliteOptions(batch=int(sizes[0])))
    assert operator in read(found).codes
    assert found.transposes == transposes


@pytest.mark.parametrize(
    "flatten",
    [
        "f = Flatten (a)",
        "f = Reshape (a, shape)",
        "r = Relu (a) f = Flatten (r)",
        "t = Transpose <perm = [0, 2, 3, 1]> (a) f = Flatten (t)",
    ],
)
def test_a_flattened_image_stays_as_it_lies_and_the_weight_follows(flatten: str) -> None:
    known = {name: KNOWN[name] for name in ("c", "image")}
    known["shape"] = np.array([1, -1])
    known = {n: a for n, a in known.items() if n != "shape" or "shape" in flatten}
    text = f"""g (float[1, 3, 6, 5] x) => (float[N, C] y)
    {{ a = Conv <pads = [1, 1, 1, 1]> (x, c) {flatten} y = Gemm <transB = 1> (f, image) }}"""
    found = check(text, known)
    assert found.transposes == 0
    assert set(found.operators) <= {"CONV_2D", "RESHAPE", "FULLY_CONNECTED", "RELU"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("g (float[2, 6] x, float[6, 4] v) => (float[N, C] y) { y = Gemm (x, v) }", "is computed"),
        (
            "g (float[2, 6] x, float[2, 4] v) => (float[N, C] y) "
            "{ y = Gemm <beta = 2.0> (x, wt, v) }",
            "beta multiplies no constant row",
        ),
        ("g (float[6] x) => (float[C] y) { y = MatMul (x, wt) }", "one factor is a vector"),
    ],
)
def test_other_products_are_refused(text: str, says: str) -> None:
    with pytest.raises(UnsupportedModel, match=rf"^y \(\w+\) cannot .*{says}"):
        write_tflite(canonical(parse(text, constants(text))))
