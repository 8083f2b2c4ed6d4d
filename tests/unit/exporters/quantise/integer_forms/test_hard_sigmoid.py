from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.integer_forms.support import assert_same, parse, rewrite

from edgecnn_exporters.quantise.integer_forms.hard_sigmoid import SpellOutHardSigmoid

IMAGE = "float[N, 2, 4, 4]"
PARAMETERS = """float[2,2,1,1] w = {2.0, -3.0, 0.5, 1.0}, float[2] b = {0.5, -0.25},
 float[2,16] wt = {0.1, -0.3, 0.5, 0.2, -0.7, 0.9, 0.4, -0.2, 0.3, 0.6, -0.5, 0.8, -0.1, 0.7, 0.2,
  -0.4, 0.4, 0.1, -0.6, 0.3, 0.2, -0.9, 0.5, 0.7, -0.8, 0.1, 0.6, -0.3, 0.9, -0.2, 0.4, 0.5},
 float[16,2] wf = {0.1, -0.3, 0.5, 0.2, -0.7, 0.9, 0.4, -0.2, 0.3, 0.6, -0.5, 0.8, -0.1, 0.7, 0.2,
  -0.4, 0.4, 0.1, -0.6, 0.3, 0.2, -0.9, 0.5, 0.7, -0.8, 0.1, 0.6, -0.3, 0.9, -0.2, 0.4, 0.5}"""


def graph(
    body: str, inputs: str = f"{IMAGE} x", outputs: str = f"{IMAGE} y", more: str = ""
) -> str:
    return f"g ({inputs}) => ({outputs}) <{PARAMETERS}{more}> {{ {body} }}"


@pytest.mark.parametrize(
    "conv", ["c = Conv (x, w, b)", "c = Conv (x, w)", "c = Conv <pads = [1, 0, 1, 0]> (x, w)"]
)
@pytest.mark.parametrize("attributes", ["", "<alpha = 0.16666667, beta = 0.5>", "<beta = 0.0>"])
def test_the_conv_before_it_computes_the_line(conv: str, attributes: str) -> None:
    found = rewrite(
        SpellOutHardSigmoid,
        graph(f"{conv} y = HardSigmoid {attributes} (c)", outputs="float[N, 2, H, 4] y"),
    )
    assert found.operators == ["Conv", "Clip"]
    assert found.modified


def test_weight_and_bias_are_scaled_and_shifted() -> None:
    found = rewrite(
        SpellOutHardSigmoid,
        graph("c = Conv (x, w, b) y = HardSigmoid <alpha = 0.25, beta = 0.75> (c)"),
    )
    assert found.initialiser("w").ravel().tolist() == [0.5, -0.75, 0.125, 0.25]
    assert found.initialiser("b").tolist() == [0.875, 0.6875]
    assert found.initialiser("hard_sigmoid.min") == 0
    assert found.initialiser("hard_sigmoid.max") == 1


@pytest.mark.parametrize(
    "gemm",
    [
        "c = Gemm <transB = 1> (f, wt, b)",
        "c = Gemm <transB = 1> (f, wt)",
        "c = Gemm (f, wf)",
        "c = Gemm <alpha = 0.5> (f, wf, b)",
    ],
)
def test_the_gemm_before_it_computes_the_line(gemm: str) -> None:
    found = rewrite(
        SpellOutHardSigmoid,
        graph(f"{gemm} y = HardSigmoid (c)", "float[N, 16] f", "float[N, 2] y"),
    )
    assert found.operators == ["Gemm", "Clip"]


@pytest.mark.parametrize(
    ("body", "inputs", "outputs"),
    [
        ("y = HardSigmoid (x)", f"{IMAGE} x", f"{IMAGE} y"),
        ("c = Relu (x) y = HardSigmoid (c)", f"{IMAGE} x", f"{IMAGE} y"),
        (
            "c = Conv (x, w) y = HardSigmoid (c) z = Neg (c)",
            f"{IMAGE} x",
            f"{IMAGE} y, {IMAGE} z",
        ),
        ("c = Conv (x, w) y = HardSigmoid (c)", f"{IMAGE} x", f"{IMAGE} y, {IMAGE} c"),
        ("c = Conv (x, v) y = HardSigmoid (c)", f"{IMAGE} x, float[2,2,1,1] v", f"{IMAGE} y"),
        ("c = Conv (x, w, v) y = HardSigmoid (c)", f"{IMAGE} x, float[2] v", f"{IMAGE} y"),
        (
            "c = Gemm <transB = 1, beta = 2.0> (f, wt, b) y = HardSigmoid (c)",
            "float[N, 16] f",
            "float[N, 2] y",
        ),
    ],
    ids=[
        "input of the graph",
        "other operator",
        "second reader",
        "output of the graph",
        "computed weight",
        "computed bias",
        "scaled bias",
    ],
)
def test_elsewhere_the_line_is_a_mul_and_an_add(body: str, inputs: str, outputs: str) -> None:
    found = rewrite(SpellOutHardSigmoid, graph(body, inputs, outputs))
    assert [o for o in found.operators if o in ("Mul", "Add", "Clip", "HardSigmoid")] == [
        "Mul",
        "Add",
        "Clip",
    ]
    assert found.modified


def test_new_nodes_are_called_after_the_old_one() -> None:
    found = rewrite(SpellOutHardSigmoid, graph("[gate] y = HardSigmoid (x)"))
    assert [node.name for node in found.model.graph] == ["gate.mul", "gate.add", "gate"]
    assert [node.outputs[0].name for node in found.model.graph] == ["gate.mul", "gate.add", "y"]
    assert {node.outputs[0].dtype for node in found.model.graph} == {
        found.model.graph.inputs[0].dtype
    }


def test_a_name_that_is_taken_gets_a_number() -> None:
    proto = parse(graph("r = Relu (x) [gate] y = HardSigmoid (r)"))
    proto.graph.node[0].name = "gate.mul"
    model = ir.from_proto(proto)
    SpellOutHardSigmoid()(model)
    assert_same(proto, model)
    assert [node.name for node in model.graph] == ["gate.mul", "gate.mul_1", "gate.add", "gate"]


def test_sites_share_their_constants() -> None:
    found = rewrite(
        SpellOutHardSigmoid,
        graph("h = HardSigmoid (x) k = HardSigmoid (h) y = HardSigmoid <beta = 0.25> (k)"),
    )
    assert found.operators == ["Mul", "Add", "Clip"] * 3
    used = {value.name for node in found.model.graph for value in node.inputs[1:] if value}
    names = ("alpha", "beta", "beta_1", "max", "min")
    assert used == {f"hard_sigmoid.{name}" for name in names}
    assert found.initialiser("hard_sigmoid.beta_1") == np.float32(0.25)


def test_a_weight_that_two_convs_share_is_only_changed_for_one() -> None:
    found = rewrite(
        SpellOutHardSigmoid,
        graph(
            "c = Conv (x, w, b) y = HardSigmoid (c) z = Conv (x, w, b)",
            outputs=f"{IMAGE} y, {IMAGE} z",
        ),
    )
    assert found.operators == ["Conv", "Clip", "Conv"]


def test_other_operators_are_left_alone() -> None:
    found = rewrite(SpellOutHardSigmoid, graph("c = Conv (x, w) y = Sigmoid (c)"))
    assert found.operators == ["Conv", "Sigmoid"]
    assert not found.modified
