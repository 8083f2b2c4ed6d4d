from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.integer_forms.support import parse, rewrite

from edgecnn_exporters.quantise.integer_forms.affine import ConvolveAffine

IMAGE = "float[N, 2, 4, 4]"
CONSTANTS = """float[2] gamma = {1.5, -0.5}, float[2] beta = {0.25, 3.0},
 float[2] mean = {-1.0, 2.0}, float[2] variance = {0.04, 9.0},
 float[1,2,1,1] s = {2.0, -3.0}, float[2,1,1] s3 = {2.0, -3.0}, float[1,2,1,1] t = {0.5, -0.25},
 float one = {1.5}, float[1,1,1,1] one4 = {1.5}, float[1,1,1,4] row = {0.5, 1.0, 2.0, 3.0},
 float[1,1,2,1,1] s5 = {2.0, -3.0}, float[3,1,1] k = {2.0, -3.0, 0.5}"""
NORM = "y = BatchNormalization <epsilon = 0.001> (x, gamma, beta, mean, variance)"


def graph(body: str, inputs: str = f"{IMAGE} x", outputs: str = f"{IMAGE} y") -> str:
    return f"g ({inputs}) => ({outputs}) <{CONSTANTS}> {{ {body} }}"


def test_a_norm_of_images_becomes_a_depthwise_conv() -> None:
    found = rewrite(ConvolveAffine, graph(f"[norm] {NORM}"))
    assert found.operators == ["Conv"]
    assert found.modified
    (conv,) = found.model.graph
    assert (conv.name, conv.outputs[0].name) == ("norm", "y")
    assert conv.attributes.get_int("group", 1) == 2
    # gamma / sqrt(variance + epsilon) and beta - s mean, by hand.
    weight = np.array([1.5 / 0.041**0.5, -0.5 / 9.001**0.5])
    assert found.initialiser("gamma").shape == (2, 1, 1, 1)
    np.testing.assert_allclose(found.initialiser("gamma").ravel(), weight, rtol=1e-7)
    bias = np.array([0.25 + weight[0], 3 - 2 * weight[1]])
    np.testing.assert_allclose(found.initialiser("beta"), bias, rtol=1e-7)


def test_a_norm_that_could_not_be_folded_follows_its_conv() -> None:
    found = rewrite(
        ConvolveAffine,
        """g (float[N, 1, 4, 4] x) => (float[N, 2, 4, 4] y, float[N, 2, 4, 4] z)
        <float[2,1,1,1] w = {2.0, -3.0}, float[2] gamma = {1.5, -0.5}, float[2] beta = {0.2, 3.0},
         float[2] mean = {-1.0, 2.0}, float[2] variance = {0.04, 9.0}>
        { c = Conv (x, w) y = BatchNormalization (c, gamma, beta, mean, variance) z = Relu (c) }""",
    )
    assert found.operators == ["Conv", "Conv", "Relu"]


def test_a_norm_of_vectors_becomes_mul_and_add() -> None:
    found = rewrite(ConvolveAffine, graph(f"[norm] {NORM}", "float[N, 2] x", "float[N, 2] y"))
    nodes = list(found.model.graph)
    assert [node.op_type for node in nodes] == ["Mul", "Add"]
    assert [node.name for node in nodes] == ["norm.mul", "norm"]
    assert [node.outputs[0].name for node in nodes] == ["norm.mul", "y"]
    assert found.initialiser("gamma").shape == found.initialiser("beta").shape == (2,)


def test_parameters_that_two_norms_share_are_only_changed_for_one() -> None:
    second = NORM.replace("y =", "z =")
    found = rewrite(ConvolveAffine, graph(f"{NORM} {second}", outputs=f"{IMAGE} y, {IMAGE} z"))
    assert found.operators == ["Conv", "Conv"]


@pytest.mark.parametrize(
    "body",
    [
        "m = Mul (x, s) y = Add (m, t)",
        "m = Mul (s3, x) y = Add (t, m)",
        "m = Mul (x, s) y = Add (m, s)",
    ],
)
def test_a_factor_and_a_summand_become_one_conv(body: str) -> None:
    found = rewrite(ConvolveAffine, graph(body.replace("y =", "[sum] y =")))
    assert found.operators == ["Conv"]
    assert found.modified
    (conv,) = found.model.graph
    assert (conv.name, conv.outputs[0].name) == ("sum", "y")


def test_a_factor_alone_becomes_a_conv_without_bias() -> None:
    found = rewrite(ConvolveAffine, graph("y = Mul (x, s)"))
    (conv,) = found.model.graph
    assert [value.name for value in conv.inputs] == ["x", "s"]
    assert found.initialiser("s").shape == (2, 1, 1, 1)


def test_a_summand_alone_becomes_a_conv_of_ones() -> None:
    found = rewrite(ConvolveAffine, graph("[shift] y = Add (t, x)"))
    (conv,) = found.model.graph
    assert conv.op_type == "Conv"
    assert [value.name for value in conv.inputs] == ["x", "shift.weight", "t"]
    assert found.initialiser("shift.weight").ravel().tolist() == [1, 1]
    assert found.initialiser("t").tolist() == [0.5, -0.25]


def test_a_product_with_a_second_reader_stays_beside_its_sum() -> None:
    found = rewrite(
        ConvolveAffine,
        graph("m = Mul (x, s) y = Add (m, t) z = Relu (m)", outputs=f"{IMAGE} y, {IMAGE} z"),
    )
    assert found.operators == ["Conv", "Conv", "Relu"]


def test_a_number_for_all_channels_stays_what_it_is() -> None:
    found = rewrite(ConvolveAffine, graph("m = Mul (x, one) y = Add (m, one4)"))
    assert found.operators == ["Mul", "Add"]
    assert not found.modified
    found = rewrite(ConvolveAffine, graph("m = Mul (x, one) y = Add (m, t)"))
    assert found.operators == ["Mul", "Conv"]


@pytest.mark.parametrize(
    ("body", "inputs", "outputs"),
    [
        ("y = Mul (x, row)", f"{IMAGE} x", f"{IMAGE} y"),
        ("y = Add (x, v)", f"{IMAGE} x, float[1,2,1,1] v", f"{IMAGE} y"),
        ("y = Mul (x, s)", "float[N, 1, 4, 4] x", f"{IMAGE} y"),
        ("y = Mul (x, k)", "float[N, C, 2, 4] x", "float[N, 3, 2, 4] y"),
        ("y = Mul (x, s3)", "float[2, 2, 4] x", "float[2, 2, 4] y"),
        ("y = Mul (x, s5)", f"{IMAGE} x", "float[1, N, 2, 4, 4] y"),
        ("y = Div (x, s)", f"{IMAGE} x", f"{IMAGE} y"),
        (NORM, "float[N, 2, 4] x", "float[N, 2, 4] y"),
        (NORM, "float[N, 2, 4, 4, 4] x", "float[N, 2, 4, 4, 4] y"),
        (NORM.replace("mean", "v"), f"{IMAGE} x, float[2] v", f"{IMAGE} y"),
    ],
    ids=[
        "constant along another axis",
        "computed constant",
        "constant that makes channels",
        "channels that are not static",
        "three axes",
        "constant that adds an axis",
        "other operator",
        "norm of three axes",
        "norm of five axes",
        "norm of computed statistics",
    ],
)
def test_others_are_left_alone(body: str, inputs: str, outputs: str) -> None:
    found = rewrite(ConvolveAffine, graph(body, inputs, outputs))
    assert "Conv" not in found.operators
    assert not found.modified


def test_a_norm_that_still_trains_is_left_alone() -> None:
    trains = NORM.replace("y =", "y, m2, v2 =").replace("<", "<training_mode = 1, ")
    found = rewrite(ConvolveAffine, graph(trains))
    assert found.operators == ["BatchNormalization"]
    assert not found.modified


def test_a_factor_of_one_channel_is_a_number() -> None:
    found = rewrite(
        ConvolveAffine, graph("y = Mul (x, one4)", "float[N, 1, 4, 4] x", "float[N, 1, 4, 4] y")
    )
    assert not found.modified


def test_a_norm_of_another_precision_than_its_parameters_is_left_alone() -> None:
    found = rewrite(
        ConvolveAffine,
        graph(
            f"h = Cast <to = 10> (x) {NORM.replace('(x', '(h')}", outputs="float16[N, 2, 4, 4] y"
        ),
    )
    assert found.operators == ["Cast", "BatchNormalization"]
    assert not found.modified


def test_a_norm_with_statistics_of_another_precision_is_left_alone() -> None:
    # ONNX allows it, ONNX Runtime has no kernel for it.
    proto = parse(
        """g (float[N, 2, 4, 4] x) => (float[N, 2, 4, 4] y)
        <float[2] gamma = {1.5, -0.5}, float[2] beta = {0.25, 3.0},
         double[2] mean = {-1.0, 2.0}, double[2] variance = {0.04, 9.0}>
        { y = BatchNormalization (x, gamma, beta, mean, variance) }"""
    )
    assert not ConvolveAffine()(ir.from_proto(proto)).modified


def test_another_precision_is_left_alone() -> None:
    found = rewrite(
        ConvolveAffine,
        """g (float[N, 2, 4, 4] x) => (double[N, 2, 4, 4] y)
        <double[1,2,1,1] s = {2.0, -3.0}> { d = Cast <to = 11> (x) y = Mul (d, s) }""",
    )
    assert not found.modified
