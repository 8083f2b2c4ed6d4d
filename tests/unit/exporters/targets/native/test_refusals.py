"""What has no plan: the error names the node, what was found and what to do."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from plans.networks import quantised

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes.graph import new_initialiser
from edgecnn_exporters.targets import About
from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.target import NativeTarget, NativeTargetOptions
from edgecnn_exporters.targets.native.write import plan_of

BODIES = {
    "an operator without a kernel": (
        "y = GlobalMaxPool (x)",
        r"y \(GlobalMaxPool\) has no native kernel: the operator is unknown there; leave it to",
    ),
    "a float product": (
        "float1 = Conv (x, point) float2 = Tanh (float1) y = Conv (float2, back)",
        r"float2 \(Tanh\) .* float and not held in 8 bits; quantise the layers around it",
    ),
    "a sum of an image and a constant for each channel": (
        "y = Add (x, offsets)",
        r"y \(Add\) .* a constant for each channel; write a factor or summand",
    ),
    "a cubic": (
        'y = Resize <mode = "cubic"> (x, , doubled)',
        r"y \(Resize\) .* cubic with half_pixel, kernels take the nearest .*; use mode nearest",
    ),
    "a softmax of rows": (
        "y = Softmax <axis = 2> (x)",
        r"y \(Softmax\) .* over axis 2 of \[1, 6, 9, 11\], kernels take channels",
    ),
    "a softmax of float sums that is held in 8 bits": (
        "float1 = Conv (x, point) y = Softmax <axis = 1> (float1)",
        r"y \(Softmax\) .* reads float sums, and its result is held in 8 bits",
    ),
    "a response normalisation by an odd power": (
        "y = LRN <size = 3, beta = 0.6> (x)",
        r"y \(LRN\) .* beta 0.6, alpha 0.0001 and bias 1; kernels take a beta of quarters",
    ),
    "an image turned": (
        "y = Transpose <perm = [0, 1, 3, 2]> (x)",
        r"y.dequantised \(DequantizeLinear\) .* makes \(1, 6, 11, 9\) of pixels of other places",
    ),
    "images of a batch": ("y = Concat <axis = 0> (x, x)", r"y \(Concat\) .* another axis"),
    "a slope for each channel": ("y = PRelu (x, slopes)", r"y \(PRelu\) .*; use LeakyRelu"),
}


@pytest.mark.parametrize("name", BODIES)
def test_the_node_and_the_reason_are_named(name: str) -> None:
    body, message = BODIES[name]
    with pytest.raises(NoKernel, match=message):
        plan_of(quantised(body).model)


def test_a_result_of_three_axes_is_refused() -> None:
    net = quantised("a = Conv (x, point) y = Reshape (a, lines)", answers="float[N, C, L] y")
    with pytest.raises(
        NoKernel, match=r"its result of 3 axes is no image \(1, C, H, W\) or vector"
    ):
        plan_of(net.model)


def test_a_constant_output_is_refused() -> None:
    model = quantised("y = Conv (x, point)").model
    model.graph.outputs[0] = new_initialiser(model.graph, "priors", np.zeros((1, 4), np.float32))
    with pytest.raises(UnsupportedModel, match="output priors is a constant; plans write what"):
        plan_of(model)


def test_activations_of_sixteen_bits_are_refused() -> None:
    model = quantised("y = Conv (x, point)").model
    for node in model.graph:
        if node.op_type == "QuantizeLinear":
            zero = new_initialiser(model.graph, "wide", np.array(0, np.uint16))
            node.replace_input_with(2, zero)
    with pytest.raises(
        NoKernel, match=r"holds uint16 with a scale of shape \(\), kernels .* 8 bit"
    ):
        plan_of(model)


def test_sums_of_more_than_32_bits_are_refused() -> None:
    model = quantised("y = Conv (x, point, summand)").model
    bias = next(v for n, v in model.graph.initializers.items() if n.endswith(".2.integers"))
    bias.const_value = ir.tensor(np.full(20, 2**31 - 1, np.int32))
    with pytest.raises(NoKernel, match="its sums leave 32 bits"):
        plan_of(model)


def test_a_fixed_batch_is_refused() -> None:
    model = quantised("y = Conv (x, point)").model
    model.graph.inputs[0].shape = ir.Shape([4, 6, 9, 11])
    with pytest.raises(UnsupportedModel, match=r"input x has shape \[4, 6, 9, 11\] .* --batch"):
        plan_of(model)


def test_a_result_without_an_encoding_is_no_integer() -> None:
    model = quantised("[result] y = Conv (x, point, summand)").model
    target = NativeTarget(NativeTargetOptions("uint8"))
    with pytest.raises(UnsupportedModel, match=r"output y stays float .*; say --native-io float32"):
        target.translate(model, "int8", About("small"))
