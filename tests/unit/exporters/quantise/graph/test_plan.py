from __future__ import annotations

import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.quantise.graph.eligible import NO_FLOATS
from edgecnn_exporters.quantise.graph.plan import QuantisationPlan, make_plan
from edgecnn_exporters.quantise.graph.rules import Role
from edgecnn_runtime.encoding import Encoding

CONV = "[conv] a = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)"


def plan(
    body: str, *, answers: str = "float[N, C, H, W] y", keep: tuple[str, ...] = ()
) -> QuantisationPlan:
    return make_plan(network(body, answers=answers).graph, keep)


def shared(found: QuantisationPlan) -> list[set[str]]:
    return [set(group.values) for group in found.groups]


def test_a_relu_is_left_to_the_saturation_of_the_conv_before_it() -> None:
    found = plan(f"{CONV} [relu] y = Relu (a)")
    assert found.integer == {"conv": Role.PRODUCT, "relu": Role.CLAMP}
    assert shared(found) == [{"x"}, {"y"}]
    assert found.limits["y"].low == 0


def test_what_a_clip_lets_through_is_a_limit() -> None:
    found = plan(f"{CONV} [clip] y = Clip (a, zero, six)")
    assert (found.limits["y"].low, found.limits["y"].high) == (0, 6)


def test_a_relu_with_a_second_reader_beside_it_has_values_of_its_own() -> None:
    found = plan(f"{CONV} [relu] b = Relu (a) [add] y = Add (a, b)")
    assert shared(found) == [{"x"}, {"a"}, {"b"}, {"y"}]
    assert not found.limits


@pytest.mark.parametrize(
    "body",
    [
        "[pool] b = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (a)",
        "[pool] b = AveragePool <kernel_shape = [2, 2]> (a)",
        "[pad] b = Pad (a, edges)",
        "[turn] b = Transpose <perm = [0, 1, 3, 2]> (a)",
    ],
)
def test_what_only_moves_values_keeps_their_encoding(body: str) -> None:
    found = plan(f"{CONV} {body} [second] y = Conv (b, w2, b2)")
    assert {"a", "b"} in shared(found)
    (group,) = [each for each in found.groups if "b" in each.values]
    assert group.sources == ("a",), "what is only moved is not measured"


def test_what_the_input_does_not_reach_has_no_encoding() -> None:
    found = plan(f"{CONV} [of_none] b = Relu (slope) [add] c = Add (a, b) [relu] y = Relu (c)")
    assert found.left["of_none"] == "computes a constant"
    assert found.left["add"] == "reads a constant that is computed"
    assert "b" not in found.group_of


def test_sizes_are_not_said_to_stay_float() -> None:
    body = f"{CONV} [shape] s = Shape (a) [turn] y = Reshape (a, s)"
    assert plan(body).left["shape"] == NO_FLOATS


def test_all_that_is_joined_has_one_encoding() -> None:
    found = plan(f"{CONV} [relu] b = Relu (x) [join] y = Concat <axis = 1> (a, b)")
    assert shared(found) == [{"x"}, {"a", "b", "y"}]
    assert found.group_of["y"].sources == ("a", "b")


def test_the_sum_of_two_values_has_three_encodings() -> None:
    found = plan(f"{CONV} [other] b = Conv <pads = [1, 1, 1, 1]> (x, w1) [add] y = Add (a, b)")
    assert shared(found) == [{"x"}, {"a"}, {"b"}, {"y"}]


def test_a_sigmoid_has_the_encoding_that_tflite_prescribes() -> None:
    found = plan(f"{CONV} [gate] b = Sigmoid (a) [mul] y = Mul (a, b)")
    assert found.group_of["b"].fixed == Encoding(1 / 256, 0)
    assert "b" not in found.sources


def test_a_fixed_encoding_that_is_joined_with_others_is_measured() -> None:
    found = plan(f"{CONV} [gate] b = Sigmoid (a) [join] y = Concat <axis = 1> (a, b)")
    assert found.group_of["b"].fixed is None
    assert {"a", "b"} <= set(found.sources)


GEMM = "[pool] b = GlobalAveragePool (a) [flat] c = Flatten (b)"
WEIGHTS = "w3, b3"


def classifier(end: str) -> QuantisationPlan:
    import numpy as np

    weights = {"w3": np.ones((4, 6), np.float32), "b3": np.ones(4, np.float32)}
    model = network(f"{CONV} {GEMM} {end}", weights, answers="float[N, K] y")
    return make_plan(model.graph)


def test_logits_stay_float() -> None:
    found = classifier("[fc] y = Gemm <transB = 1> (c, w3, b3)")
    assert found.integer["fc"] is Role.PRODUCT
    assert "y" not in found.group_of


def test_what_follows_the_logits_is_float_too() -> None:
    found = classifier("[fc] d = Gemm <transB = 1> (c, w3, b3) [soft] y = Softmax (d)")
    assert found.tail == {"soft"}
    assert not {"d", "y"} & set(found.group_of)


def test_a_gemm_in_the_middle_is_held_in_8_bits() -> None:
    found = classifier("[fc] d = Gemm <transB = 1> (c, w3, b3) [add] y = Add (d, d)")
    assert {"d", "y"} <= set(found.group_of)


def test_an_operator_without_a_rule_is_float_with_the_reason() -> None:
    found = plan(f"{CONV} [norm] y = LRN <size = 3> (a)")
    assert "LRN" in found.left["norm"]
    assert shared(found) == [{"x"}, {"a"}]


def test_what_only_moves_float_values_is_float_as_well() -> None:
    found = plan(
        f"{CONV} [n1] b = LRN <size = 3> (a) [flat] c = Relu (b) [n2] y = LRN <size = 3> (c)"
    )
    assert "between" in found.left["flat"]


def test_a_node_can_be_kept_in_float() -> None:
    found = plan(f"{CONV} [second] y = Conv (a, w2, b2)", keep=("second",))
    assert "kept" in found.left["second"]
    assert shared(found) == [{"x"}, {"a"}]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("[bad] y = Conv (x, v)  ", "weights are computed"),
        ("[bad] y = Pad (x, edges, one)", "another constant"),
        ("[bad] y = Clip (x, six, one)", "its least value, 6, is above its greatest, 1"),
        ("[bad] y = Clip (x, nan)", "NaN"),
        ("p = Pad (x, edges, infinite) [bad] y = MaxPool <kernel_shape = [2, 2]> (p)", "-inf"),
        ("p = Pad (x, edges, minus) [bad] y = MaxPool <kernel_shape = [2, 2]> (p)", "reads -1"),
        ("p = Pad (x, edges, infinite) [bad] y = Sigmoid (p)", "it reads -inf"),
    ],
)
def test_a_form_that_the_rule_does_not_cover_is_float(body: str, reason: str) -> None:
    front = "v = Add (w1, w1)" if " v)" in body else ""
    found = plan(f"{front} {body}")
    assert reason in found.left["bad"]


def test_a_gate_between_float_operators_is_held_in_8_bits_all_the_same() -> None:
    found = plan(
        f"{CONV} [n1] b = LRN <size = 3> (a) [gate] c = Sigmoid (b) [n2] y = LRN <size = 3> (c)"
    )
    assert found.integer["gate"] is Role.FIXED
