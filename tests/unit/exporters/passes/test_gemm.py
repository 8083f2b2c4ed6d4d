from __future__ import annotations

import pytest
from unit.exporters.passes.support import apply

from edgecnn_exporters.passes.dropout import RemoveDropout
from edgecnn_exporters.passes.gemm import CanonicaliseGemm

CONSTANTS = """float[3, 2] w = {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}, float[2] b = {0.5, -0.5},
 float[2, 3] wt = {1.0, 3.0, 5.0, 2.0, 4.0, 6.0}, float one = {1.0}, float[1, 2] row = {1.0, 2.0}"""


def graph(body: str, output: str = "float[N, 2] y") -> str:
    return f"g (float[N, 3] x, float[3, 2] v) => ({output}) <{CONSTANTS}> {{ {body} }}"


@pytest.mark.parametrize(
    ("body", "inputs"),
    [
        ("y = MatMul (x, w)", 2),
        ("m = MatMul (x, w) y = Add (m, b)", 3),
        ("m = MatMul (x, w) y = Add (b, m)", 3),
        ("y = Gemm (x, w, b)", 3),
        ("y = Gemm (x, w)", 2),
    ],
)
def test_a_fully_connected_layer_becomes_one_gemm(body: str, inputs: int) -> None:
    found = apply(CanonicaliseGemm, graph(body))
    assert found.operators == ["Gemm"]
    assert found.modified
    (gemm,) = found.model.graph
    assert len(gemm.inputs) == inputs
    assert gemm.attributes.get_int("transB", 0) == 1
    assert list(gemm.inputs[1].shape) == [2, 3]


@pytest.mark.parametrize(
    "body",
    [
        "y = Gemm <transB = 1> (x, wt, b)",
        "y = MatMul (x, v)",
        "y = Gemm <alpha = 0.5> (x, w, b)",
        "m = MatMul (v, x2) y = Add (m, b)",
    ],
)
def test_other_products_are_left_alone(body: str) -> None:
    text = graph(body).replace("float[3, 2] v)", "float[3, 2] v, float[2, 2] x2)")
    text = text.replace("float[N, 2] y", "float[M, 2] y") if "x2" in body else text
    found = apply(CanonicaliseGemm, text)
    assert not found.modified


def test_an_addend_of_another_shape_stays_behind_the_gemm() -> None:
    found = apply(CanonicaliseGemm, graph("m = MatMul (x, w) y = Add (m, row)"))
    assert found.operators == ["Gemm", "Add"]


def test_dropout_is_taken_out() -> None:
    text = "g (float[N, 3] x) => (float[N, 3] y) { a = Relu (x) d = Dropout (a) y = Neg (d) }"
    assert apply(RemoveDropout, text).operators == ["Relu", "Neg"]


def test_a_dropout_at_the_end_leaves_the_output_its_name() -> None:
    text = "g (float[N, 3] x) => (float[N, 3] y) { a = Relu (x) y = Dropout (a) }"
    assert apply(RemoveDropout, text).operators == ["Relu"]


def test_a_dropout_whose_mask_is_read_stays() -> None:
    text = """g (float[N, 3] x) => (float[N, 3] y, bool[N, 3] mask)
    { a = Relu (x) y, mask = Dropout (a) }"""
    assert not apply(RemoveDropout, text).modified
