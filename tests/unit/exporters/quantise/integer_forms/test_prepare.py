"""All the rewrites, one after the other, on what MobileNetV3 and DenseNet are made of."""

from __future__ import annotations

import onnx_ir as ir
from unit.exporters.quantise.integer_forms.support import assert_same, parse

from edgecnn_exporters.quantise.graph.eligible import refusal
from edgecnn_exporters.quantise.integer_forms import prepare

WEIGHTS = """float[2,3,1,1] stem = {1.0, -1.5, 0.5, 2.0, 0.25, -0.75},
 float[2,2,1,1] squeeze = {0.5, -0.25, 1.5, 1.0}, float[2,2,1,1] excite = {1.0, 0.5, -0.5, 2.0},
 float[2] shift = {0.5, -0.25}, float[3,2] head = {1.0, -1.5, 0.5, 2.0, 0.75, -0.25},
 float[2] gamma = {1.5, -0.5}, float[2] beta = {0.25, 3.0},
 float[2] mean = {-1.0, 2.0}, float[2] variance = {0.04, 9.0}"""


def graph(body: str, outputs: str) -> str:
    return f"g (float[N, 3, 4, 4] x) => ({outputs}) <{WEIGHTS}> {{ {body} }}"


SQUEEZE_AND_EXCITE = graph(
    """c = Conv (x, stem) a = HardSwish (c)
    p = GlobalAveragePool (a) q = Conv (p, squeeze) r = Relu (q)
    e = Conv (r, excite, shift) s = HardSigmoid <alpha = 0.16666667> (e)
    m = Mul (a, s) n = BatchNormalization (m, gamma, beta, mean, variance) b = HardSwish (n)
    v = GlobalAveragePool (b) f = Flatten (v) y = Gemm <transB = 1> (f, head)""",
    "float[N, 3] y",
)
PLAIN = graph("c = Conv (x, stem) y = Relu (c)", "float[N, 2, 4, 4] y")


def test_every_node_afterwards_has_an_integer_form() -> None:
    proto = parse(SQUEEZE_AND_EXCITE)
    model = ir.from_proto(proto)
    assert {n.op_type for n in model.graph if refusal(n)} == {
        *("HardSwish", "HardSigmoid", "BatchNormalization")
    }
    changed = prepare(model).changed
    assert_same(proto, model)
    assert not [node for node in model.graph if refusal(node)]
    assert changed == (
        *("ConvolveAffine", "SpellOutHardSwish", "SpellOutHardSigmoid", "RemoveUnusedNodes"),
    )
    assert prepare(model).changed == ()


def test_a_norm_becomes_the_conv_that_scales_for_the_activation_after_it() -> None:
    model = ir.from_proto(parse(SQUEEZE_AND_EXCITE))
    prepare(model)
    assert [node.op_type for node in model.graph] == [
        *("Conv", "Add", "Clip", "Mul"),
        *("GlobalAveragePool", "Conv", "Relu", "Conv", "Clip", "Mul"),
        *("Conv", "Add", "Clip", "Mul"),
        *("GlobalAveragePool", "Flatten", "Gemm"),
    ]


def test_what_nothing_reads_any_more_is_gone() -> None:
    model = ir.from_proto(parse(SQUEEZE_AND_EXCITE))
    prepare(model)
    assert not {"mean", "variance"} & set(model.graph.initializers)
    assert all(value.uses() for value in model.graph.initializers.values())


def test_a_graph_that_is_fit_already_is_left_alone() -> None:
    proto = parse(PLAIN)
    model = ir.from_proto(proto)
    # The initialisers that this one does not read are not its own.
    for name in ("squeeze", "excite", "shift", "head", "gamma", "beta", "mean", "variance"):
        del model.graph.initializers[name]
    assert prepare(model).changed == ()
    assert [node.op_type for node in model.graph] == ["Conv", "Relu"]
