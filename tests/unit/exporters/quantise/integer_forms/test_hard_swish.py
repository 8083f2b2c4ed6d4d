from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.quantise.integer_forms.support import rewrite

from edgecnn_exporters.quantise.integer_forms.hard_swish import SpellOutHardSwish

IMAGE = "float[N, 2, 4, 4]"
CONSTANTS = """float[2,2,1,1] w = {1.0, -1.5, 0.5, 2.0}, float[2] b = {0.5, -0.25},
 float[3,2] wf = {1.0, -1.5, 0.5, 2.0, 0.75, -0.25}, float zero = {0.0}, float three = {3.0},
 float six = {6.0}, float[1] six1 = {6.0}, float sixth = {0.16666667}, float rounded = {0.1667},
 float two = {2.0}, float[1,1,1,1,1] deep = {3.0}"""
ROOT = 2.449489742783178

PLAIN = {
    "shift": "a = Add (x, three)",
    "clip": "r = Clip (a, zero, six)",
    "multiply": "m = Mul (x, r)",
    "divide": "y = Div (m, six)",
}
GATE = "a = Add (c, three) r = Clip (a, zero, six)"
SPELLINGS = {
    "operator": "y = HardSwish (c)",
    "times hard sigmoid": "s = HardSigmoid <alpha = 0.16666667> (c) y = Mul (c, s)",
    "hard sigmoid times": "s = HardSigmoid <alpha = 0.1666667, beta = 0.5> (c) y = Mul (s, c)",
    "div last": f"{GATE} m = Mul (c, r) y = Div (m, six)",
    "div of the gate": f"{GATE} d = Div (r, six1) y = Mul (c, d)",
    "mul last": "a = Add (three, c) r = Clip (a, zero, six) m = Mul (r, c) y = Mul (sixth, m)",
    "mul of the gate": f"{GATE} d = Mul (r, sixth) y = Mul (d, c)",
    "div of x": f"{GATE} d = Div (c, six) y = Mul (d, r)",
}


def graph(
    body: str, inputs: str = f"{IMAGE} x", outputs: str = f"{IMAGE} y", more: str = ""
) -> str:
    return f"g ({inputs}) => ({outputs}) <{CONSTANTS}{more}> {{ {body} }}"


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("conv", ["Conv (x, w, b)", "Conv (x, w)"])
def test_the_conv_before_every_spelling_computes_y(spelling: str, conv: str) -> None:
    found = rewrite(SpellOutHardSwish, graph(f"c = {conv} {spelling}"))
    assert found.operators == ["Conv", "Add", "Clip", "Mul"]
    assert found.modified


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_elsewhere_every_spelling_scales_what_it_reads(spelling: str) -> None:
    found = rewrite(SpellOutHardSwish, graph(f"c = Relu (x) k = Neg (x) {spelling}"))
    assert [o for o in found.operators if o != "Neg"] == ["Relu", "Mul", "Add", "Clip", "Mul"]


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize(
    ("conv", "inputs", "more"),
    [
        ("c = Conv (x, w)", f"{IMAGE} x", f"{IMAGE} c"),
        ("c = Conv (x, w) z = Neg (c)", f"{IMAGE} x", f"{IMAGE} z"),
        ("c = Conv (x, v) z = Neg (x)", f"{IMAGE} x, float[2,2,1,1] v", f"{IMAGE} z"),
    ],
    ids=["output of the graph", "second reader", "computed weight"],
)
def test_a_conv_that_cannot_is_left_alone(spelling: str, conv: str, inputs: str, more: str) -> None:
    found = rewrite(SpellOutHardSwish, graph(f"{conv} {spelling}", inputs, f"{IMAGE} y, {more}"))
    assert [o for o in found.operators if o != "Neg"] == ["Conv", "Mul", "Add", "Clip", "Mul"]


def test_weight_bias_and_bounds_are_divided_by_the_root_of_six() -> None:
    found = rewrite(SpellOutHardSwish, graph("c = Conv (x, w, b) y = HardSwish (c)"))
    divided = np.array([1.0, -1.5, 0.5, 2.0]) / ROOT
    np.testing.assert_allclose(found.initialiser("w").ravel(), divided, rtol=1e-7)
    np.testing.assert_allclose(found.initialiser("b"), np.array([0.5, -0.25]) / ROOT, rtol=1e-7)
    assert found.initialiser("hard_swish.offset") == np.float32(3 / ROOT)
    assert found.initialiser("hard_swish.min") == 0
    assert found.initialiser("hard_swish.max") == np.float32(ROOT)


@pytest.mark.parametrize(
    "gemm",
    ["Gemm <transB = 1> (x, wf)", "Gemm <transB = 1> (x, wf, k)", "Gemm (x, w2, b)"],
)
def test_the_gemm_before_it_computes_y(gemm: str) -> None:
    more = ", float[3] k = {0.1, -0.2, 0.3}, float[2,2] w2 = {1.0, -1.5, 0.5, 2.0}"
    found = rewrite(
        SpellOutHardSwish,
        graph(f"c = {gemm} y = HardSwish (c)", "float[N, 2] x", "float[N, M] y", more),
    )
    assert found.operators == ["Gemm", "Add", "Clip", "Mul"]


def test_bounds_are_shared_and_names_come_from_the_old_nodes() -> None:
    found = rewrite(
        SpellOutHardSwish,
        graph("[one] c = Conv (x, w) [two] d = HardSwish (c) [three] y = HardSwish (d)"),
    )
    nodes = list(found.model.graph)
    assert [node.name for node in nodes] == [
        *("one", "two.add", "two.clip", "two"),
        *("three.mul", "three.add", "three.clip", "three"),
    ]
    assert [node.outputs[0].name for node in nodes] == [
        *("c", "two.add", "two.clip", "d"),
        *("three.mul", "three.add", "three.clip", "y"),
    ]
    bounds = [[value.name for value in node.inputs[1:]] for node in nodes if node.op_type == "Clip"]
    assert bounds == [["hard_swish.min", "hard_swish.max"]] * 2


def test_a_spelt_out_form_keeps_the_name_of_its_last_node() -> None:
    body = SPELLINGS["div last"].replace("y =", "[act] y =")
    found = rewrite(SpellOutHardSwish, graph(f"[one] c = Conv (x, w) {body}"))
    assert [node.name for node in found.model.graph] == ["one", "act.add", "act.clip", "act"]


@pytest.mark.parametrize(
    "changes",
    [
        {"shift": "a = Add (x, two)"},
        {"shift": "a = Add (x, x)"},
        {"shift": "a = Sub (x, three)"},
        {"shift": "o = Neg (x) a = Add (three, o)"},
        {"clip": "r = Clip (a, zero, three)"},
        {"clip": "r = Clip (a, , six)"},
        {"clip": "r = Clip (a, zero)"},
        {"clip": "e = ReduceMax <keepdims = 0> (x) r = Clip (a, zero, e)"},
        {"multiply": "o = Neg (x) m = Mul (o, r)"},
        {"multiply": "m = Mul (r, r)"},
        {"multiply": "m = Add (x, r)"},
        {"divide": "y = Div (m, three)"},
        {"divide": "y = Mul (m, rounded)"},
        {"divide": "y = Sub (m, six)"},
        {"divide": "e = Exp (x) y = Div (m, e)"},
    ],
)
def test_other_formulas_are_left_alone(changes: dict[str, str]) -> None:
    found = rewrite(SpellOutHardSwish, graph(" ".join((PLAIN | changes).values())))
    assert not found.modified


@pytest.mark.parametrize(
    "body",
    [
        "s = HardSigmoid (x) y = Mul (x, s)",
        "s = HardSigmoid <alpha = 0.16666667, beta = 0.4> (x) y = Mul (x, s)",
        "o = Neg (x) s = HardSigmoid <alpha = 0.16666667> (o) y = Mul (x, s)",
        "s = HardSigmoid <alpha = 0.16666667> (x) y = Mul (s, s)",
        "s = HardSigmoid <alpha = 0.16666667> (x) y = Add (x, s)",
        "s = Sigmoid (x) y = Mul (x, s)",
    ],
)
def test_products_with_other_gates_are_left_alone(body: str) -> None:
    assert not rewrite(SpellOutHardSwish, graph(body)).modified


@pytest.mark.parametrize("inner", ["a", "r", "m"])
def test_an_inner_value_that_leaves_the_graph_stays(inner: str) -> None:
    body = " ".join(PLAIN.values())
    found = rewrite(SpellOutHardSwish, graph(body, outputs=f"{IMAGE} y, {IMAGE} {inner}"))
    assert not found.modified


def test_an_inner_value_with_a_second_reader_stays() -> None:
    body = "s = HardSigmoid <alpha = 0.16666667> (x) y = Mul (x, s) z = Neg (s)"
    found = rewrite(SpellOutHardSwish, graph(body, outputs=f"{IMAGE} y, {IMAGE} z"))
    assert not found.modified


def test_a_number_that_adds_axes_is_left_alone() -> None:
    body = " ".join((PLAIN | {"shift": "a = Add (x, deep)"}).values())
    found = rewrite(SpellOutHardSwish, graph(body, outputs="float[1, N, 2, 4, 4] y"))
    assert not found.modified


def test_a_factor_behind_it_stays() -> None:
    found = rewrite(
        SpellOutHardSwish,
        graph("s = HardSigmoid <alpha = 0.16666667> (x) m = Mul (x, s) y = Mul (m, two)"),
    )
    assert found.operators == ["Mul", "Add", "Clip", "Mul", "Mul"]


def test_the_new_numbers_have_the_precision_of_x() -> None:
    found = rewrite(
        SpellOutHardSwish,
        """g (float[N, 2] x) => (double[N, 2] y)
        <double zero = {0.0}, double three = {3.0}, double six = {6.0}>
        { d = Cast <to = 11> (x) a = Add (d, three) r = Clip (a, zero, six) m = Mul (d, r)
          y = Div (m, six) }""",
    )
    assert found.operators == ["Cast", "Mul", "Add", "Clip", "Mul"]
    assert found.initialiser("hard_swish.max") == np.float64(ROOT)
