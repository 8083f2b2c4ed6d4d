from __future__ import annotations

import pytest
from unit.exporters.passes.support import apply

from edgecnn_exporters.passes.dropout import RemoveDropout
from edgecnn_exporters.passes.gemm import CanonicaliseGemm

CONSTANTS = """float[3, 2] w = {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}, float[2] b = {0.5, -0.5},
 float[2, 3] wt = {1.0, 3.0, 5.0, 2.0, 4.0, 6.0}, float one = {1.0}, float[1, 2] row = {1.0, 2.0},
 float[2, 2] both = {1.0, 2.0, 3.0, 4.0}"""


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
        ("y = Gemm <alpha = 0.5, beta = 3.0> (x, w, b)", 3),
        ("y = Gemm <alpha = 0.5, beta = 3.0, transB = 1> (x, wt)", 2),
        ("y = Gemm <transB = 1> (x, wt, row)", 3),
        ("y = Gemm <transB = 1> (x, wt, one)", 3),
        ("m = MatMul (x, w) y = Add (m, row)", 3),
        ("m = MatMul (x, w) y = Add (one, m)", 3),
        ("m = Gemm <transB = 1, alpha = 2.0> (x, wt) y = Add (m, b)", 3),
    ],
)
def test_a_fully_connected_layer_becomes_one_gemm(body: str, inputs: int) -> None:
    found = apply(CanonicaliseGemm, graph(body))
    assert found.operators == ["Gemm"]
    assert found.modified
    (gemm,) = found.model.graph
    assert len(gemm.inputs) == inputs
    assert gemm.attributes.get_int("transB", 0) == 1
    assert gemm.attributes.get_float("alpha", 1.0) == gemm.attributes.get_float("beta", 1.0) == 1.0
    assert list(gemm.inputs[1].shape) == [2, 3]
    assert [list(value.shape) for value in gemm.inputs[2:]] == [[2]] * (inputs - 2)


@pytest.mark.parametrize(
    "body",
    [
        "y = Gemm <transB = 1> (x, wt, b)",
        "y = MatMul (x, v)",
        "y = Gemm <transB = 1> (x, wt, both)",
        "y = Gemm <beta = 2.0> (x, w, both)",
        "y = Gemm <transA = 1> (v, w, b)",
        "m = MatMul (v, x2) y = Add (m, b)",
    ],
)
def test_other_products_are_left_alone(body: str) -> None:
    text = graph(body).replace("float[3, 2] v)", "float[3, 2] v, float[2, 2] x2)")
    text = text.replace("float[N, 2] y", "float[M, 2] y") if "v" in body else text
    found = apply(CanonicaliseGemm, text)
    assert not found.modified


def test_an_addend_of_another_shape_stays_behind_the_gemm() -> None:
    found = apply(CanonicaliseGemm, graph("m = MatMul (x, w) y = Add (m, both)"))
    assert found.operators == ["Gemm", "Add"]


def test_a_weight_that_two_layers_read_stays_as_the_other_reads_it() -> None:
    body = "m = MatMul (x, w) n = MatMul (w, square) y = Add (m, b)"
    text = graph(body, "float[N, 2] y, float[3, 2] n").replace(
        "float one", "float[2,2] square = {1.0, 2.0, 3.0, 4.0}, float one"
    )
    found = apply(CanonicaliseGemm, text)
    assert sorted(found.operators) == ["Gemm", "Gemm"]


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


def test_a_layer_that_adds_what_another_computes_reads_the_layer_as_it_became() -> None:
    found = apply(CanonicaliseGemm, graph("m = Gemm (x, w, b) y = Gemm (x, w, m)"))
    first, second = found.model.graph
    assert second.inputs[2] is first.outputs[0]
    assert second.attributes.get_int("transB", 0) == 1
