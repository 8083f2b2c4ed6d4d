"""Plans of small networks, executed in numpy, against ONNX Runtime's integer kernels."""

from __future__ import annotations

import numpy as np
import pytest
from plans.executor import Executor
from plans.networks import SAMPLES, quantised
from plans.plan_file import read

from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.targets.native.write import plan_of

SAME = "pads = [1, 1, 1, 1]"
POOL = "kernel_shape = [3, 3], strides = [2, 2]"
VECTOR = "float[N, C] y"
GATE = "g = GlobalAveragePool (x) [r] a = Conv (g, reduce) b = Relu (a) [e] c = Conv (b, expand)"
FLAT = "g = GlobalAveragePool (x) f = Flatten (g)"
SHUFFLE = (
    "a = Reshape (x, groups) b = Transpose <perm = [0, 2, 1, 3, 4]> (a) c = Reshape (b, image)"
)
BODIES: dict[str, str] = {
    "pointwise": "y = Conv (x, point, summand)",
    "3x3": f"y = Conv <{SAME}> (x, full)",
    "stride and relu": f"a = Conv <{SAME}, strides = [2, 2]> (x, full) y = Relu (a)",
    "clip": f"a = Conv <{SAME}> (x, full) y = Clip (a, minus, one)",
    "dilation": "y = Conv <pads = [2, 2, 2, 2], dilations = [2, 2]> (x, full)",
    "odd window and pads": "y = Conv <pads = [3, 0, 1, 1], strides = [1, 2]> (x, tall)",
    "depthwise": f"y = Conv <group = 6, {SAME}> (x, wise)",
    "depthwise, stride 2": f"y = Conv <group = 6, {SAME}, strides = [2, 2]> (x, wise)",
    "depthwise with multiplier": f"y = Conv <group = 6, {SAME}> (x, double)",
    "groups of three channels": f"y = Conv <group = 2, {SAME}> (x, grouped)",
    "groups of whole kernels": f"a = Conv (x, many) y = Conv <group = 2, {SAME}> (a, halves)",
    "separable": f"a = Conv <group = 6, {SAME}> (x, wise) b = Relu (a) y = Conv (b, point)",
    "inverted residual": (
        f"a = Conv (x, many) b = Relu (a) c = Conv <group = 80, {SAME}> (b, many3) d = Relu (c) "
        "e = Conv (d, many_back) y = Add (x, e)"
    ),
    "inverted residual, stride 2": (
        f"a = Conv (x, many) b = Relu (a) c = Conv <group = 80, {SAME}, strides = [2, 2]> "
        "(b, many3) d = Relu (c) y = Conv (d, many_back)"
    ),
    "5x5 depthwise with silu": (
        "a = Conv (x, point) s = Sigmoid (a) b = Mul (a, s) "
        "c = Conv <group = 20, pads = [2, 2, 2, 2]> (b, wise5) y = Conv (c, back)"
    ),
    "squeeze and excitation": f"{GATE} h = Sigmoid (c) y = Mul (x, h)",
    "sum": f"a = Conv <group = 6, {SAME}> (x, wise) y = Add (a, x)",
    "sum and relu": f"a = Conv <group = 6, {SAME}> (x, wise) b = Add (a, x) y = Relu (b)",
    "product": f"a = Conv <group = 6, {SAME}> (x, wise) y = Mul (a, x)",
    "double of a value": "y = Add (x, x)",
    "scalar factor": "y = Mul (x, half)",
    "leaky relu": "a = Conv (x, point) y = LeakyRelu <alpha = 0.1> (a)",
    "elu": "a = Conv (x, point) y = Elu (a)",
    "hard swish": "a = Conv (x, point) y = HardSwish (a)",
    "hard sigmoid": "a = Conv (x, point) y = HardSigmoid (a)",
    "tanh": "a = Conv (x, point) y = Tanh (a)",
    "prelu": "a = Conv (x, point) y = PRelu (a, slope)",
    "function in float": "float1 = Sigmoid (x) y = Mul (x, float1)",
    "a function beside its argument": (
        "a = Conv (x, point) s = Sigmoid (a) y = Concat <axis = 1> (a, s)"
    ),
    "global pool": "y = GlobalAveragePool (x)",
    "mean": "y = ReduceMean <keepdims = 1> (x, axes)",
    "average pool": f"y = AveragePool <{POOL}, {SAME}> (x)",
    "average pool with its pads": f"y = AveragePool <{POOL}, {SAME}, count_include_pad = 1> (x)",
    "average pool to another encoding": (f"float1 = AveragePool <{POOL}> (x) y = Relu (float1)"),
    "max pool": f"y = MaxPool <{POOL}, {SAME}> (x)",
    "max pool beside a convolution": (
        f"a = MaxPool <kernel_shape = [3, 3], {SAME}> (x) "
        f"b = Conv <group = 6, {SAME}> (x, wise) y = Add (a, b)"
    ),
    "max pool beside a pointwise convolution": (
        f"a = MaxPool <kernel_shape = [3, 3], {SAME}> (x) b = Conv (x, reduce) "
        "y = Concat <axis = 1> (a, b)"
    ),
    "max pool behind a convolution": f"a = Conv <{SAME}> (x, full) y = MaxPool <{POOL}> (a)",
    "concat": "a = Conv (x, point) y = Concat <axis = 1> (a, x)",
    "concat in place": (
        f"a = Conv <{SAME}> (x, sixteen) b = Concat <axis = 1> (a, x) c = Conv (b, twenty_two) "
        "d = Concat <axis = 1> (b, c) e = Conv (d, thirty_eight) "
        f"f = MaxPool <kernel_shape = [3, 3], {SAME}> (b) y = Concat <axis = 1> (e, f)"
    ),
    "concat of what was joined before": (
        "a = Conv (x, back6) b = Concat <axis = 1> (x, a) c = Conv (b, twelve) "
        "d = Concat <axis = 1> (x, a, c) y = Relu (d)"
    ),
    "channel shuffle": f"{SHUFFLE} y = Conv <group = 6, {SAME}> (c, wise)",
    "split": "a, b = Split <axis = 1, num_outputs = 2> (x) y = Add (a, b)",
    "split of whole kernels": (
        "a = Conv (x, many) b, c = Split <axis = 1, num_outputs = 2> (a) "
        f"d = Conv <{SAME}> (c, halves) y = Relu (d)"
    ),
    "slice": "a = Slice (x, starts, ends, at, steps) y = Relu (a)",
    "pad": f"a = Pad (x, edges) y = Conv <group = 6, {SAME}> (a, wise)",
    "pad with three": "y = Pad (x, edges, three)",
    "reflect": ('y = Pad <mode = "reflect"> (x, edges)'),
    "pad of channels": "y = Pad (x, channel_edges)",
    "pad that cuts": "a = Pad (x, cutting_edges) y = Conv <group = 6> (a, wise)",
    "concat in height": (
        f"a = MaxPool <kernel_shape = [3, 3], {SAME}> (x) y = Concat <axis = 2> (x, a, x)"
    ),
    "concat in width": "a = Slice (x, starts, ends, at, steps) y = Concat <axis = -1> (a, a)",
    "pixel shuffle of three operators": (
        "a = Conv (x, eight) b = Reshape (a, split_channels) "
        "c = Transpose <perm = [0, 1, 4, 2, 5, 3]> (b) y = Reshape (c, shuffled)"
    ),
    "pixel unshuffle of three operators": (
        "a = Resize (x, , doubled) b = Reshape (a, split_pixels) "
        "c = Transpose <perm = [0, 1, 3, 5, 2, 4]> (b) y = Reshape (c, unshuffled)"
    ),
    "turned twice": (
        "a = Transpose <perm = [0, 2, 3, 1]> (x) b = Transpose <perm = [0, 3, 1, 2]> (a) "
        "y = Relu (b)"
    ),
    "nearest": "a = Resize (x, , doubled) y = Conv <group = 6> (a, wise)",
    "nearest by odd factors": "y = Resize (x, , odd)",
    "bilinear": (
        f'a = Resize <mode = "linear"> (x, , doubled) y = Conv <group = 6, {SAME}> (a, wise)'
    ),
    "bilinear by odd factors": 'y = Resize <mode = "linear"> (x, , odd)',
    "bilinear between corners": (
        'y = Resize <mode = "linear", coordinate_transformation_mode = "align_corners"> '
        "(x, , doubled)"
    ),
    "space to depth": "a = Resize (x, , doubled) y = SpaceToDepth <blocksize = 2> (a)",
    "depth to space": "a = Conv (x, eight) y = DepthToSpace <blocksize = 2> (a)",
    "pixel shuffle": (
        'a = Conv (x, eight) b = DepthToSpace <blocksize = 2, mode = "CRD"> (a) y = Relu (b)'
    ),
    "softmax": "a = Conv (x, shares) y = Softmax <axis = 1> (a)",
}
# ONNX Runtime computes these in float: an integer that it rounds the other way is a step off.
CLOSE: dict[str, str] = {
    "transposed": "y = ConvTranspose <strides = [2, 2]> (x, turned2, five)",
    "transposed by vectors": (
        f"a = ConvTranspose <strides = [2, 2], {SAME}, output_padding = [1, 1]> (x, turned3) "
        "y = Relu (a)"
    ),
    "transposed with uneven windows": (
        "y = ConvTranspose <strides = [3, 2], pads = [2, 0, 0, 1], dilations = [1, 2]> (x, turned4)"
    ),
    "transposed without strides": f"y = ConvTranspose <{SAME}> (x, turned3)",
    "transposed in groups": (
        "y = ConvTranspose <group = 2, strides = [2, 2], pads = [1, 1, 1, 0]> (x, turned4)"
    ),
    "transposed, then a table": (
        "a = ConvTranspose <strides = [2, 2]> (x, turned2) y = HardSwish (a)"
    ),
    "response normalisation": "y = LRN <size = 5, alpha = 2.0, bias = 2.0> (x)",
    "response normalisation by a root": "y = LRN <size = 3, alpha = 9.0, beta = 0.5> (x)",
}
RESULTS: dict[str, str] = {
    "fully connected": f"{FLAT} [result] y = Gemm <transB = 1> (f, fc)",
    "matrix": f"{FLAT} [result] y = MatMul (f, matrix)",
    "fully connected over an image": "f = Flatten (x) [result] y = Gemm <transB = 1> (f, fc_map)",
    "softmax": f"{FLAT} [result] l = MatMul (f, matrix) [result2] y = Softmax (l)",
    "logarithm of a softmax": (
        f"{FLAT} [result] l = Gemm <transB = 1> (f, fc) [result2] y = LogSoftmax (l)"
    ),
    "scores": f"{FLAT} [result] l = MatMul (f, matrix) [result2] y = Sigmoid (l)",
    "a clip": f"{FLAT} [result] l = MatMul (f, matrix) [result2] y = Relu (l)",
    "softmax of integers": f"{FLAT} l = MatMul (f, matrix) [result] y = Softmax (l)",
    "an image as a vector": "a = Conv (x, reduce) f = Relu (a) y = Flatten (f)",
    "channels last as a vector": (
        "a = Conv (x, reduce) f = Transpose <perm = [0, 2, 3, 1]> (a) y = Flatten (f)"
    ),
    "scores of integers": f"{FLAT} l = MatMul (f, matrix) [result] y = Sigmoid (l)",
}


@pytest.mark.parametrize("name", BODIES)
def test_integers_are_those_of_onnx_runtime(name: str) -> None:
    net = quantised(BODIES[name])
    plan = read(plan_of(net.model).to_bytes())
    engine = ValueProbe(net.model, kernels=True)
    for sample in SAMPLES[:2]:
        (expected,) = engine.run(sample).values()
        np.testing.assert_equal(Executor(plan).run(sample[0])[0], expected[0])
        assert len(np.unique(expected)) > 5, "the network is alive"


@pytest.mark.parametrize("name", RESULTS)
def test_float_results_are_those_of_onnx_runtime(name: str) -> None:
    net = quantised(RESULTS[name], answers=VECTOR)
    plan = read(plan_of(net.model).to_bytes())
    for sample in SAMPLES[:2]:
        (expected,) = ValueProbe(net.model, kernels=True).run(sample).values()
        found = Executor(plan).run(sample[0])[0]
        np.testing.assert_allclose(found.reshape(-1), expected[0], rtol=1e-5)
        least = read(plan_of(net.model, least_memory=True).to_bytes())
        np.testing.assert_equal(Executor(least).run(sample[0])[0], found)
        assert len(np.unique(expected)) > 4


def test_float_logits_between_pixels_are_those_of_onnx_runtime() -> None:
    net = quantised(
        'a = Conv (x, reduce) [result] b = Resize <mode = "linear"> (a, , doubled) '
        "[result2] y = Softmax <axis = 1> (b)"
    )
    (expected,) = ValueProbe(net.model, kernels=True).run(SAMPLES[0]).values()
    found = Executor(read(plan_of(net.model).to_bytes())).run(SAMPLES[0][0])[0]
    np.testing.assert_allclose(found, expected[0], rtol=1e-5)
    assert np.ptp(expected) > 0.3


@pytest.mark.parametrize("name", CLOSE)
def test_what_onnx_runtime_computes_in_float_is_within_a_step(name: str) -> None:
    net = quantised(CLOSE[name])
    plan = read(plan_of(net.model).to_bytes())
    engine = ValueProbe(net.model, kernels=True)
    assert net.encoding is not None
    for sample in SAMPLES[:2]:
        (expected,) = engine.run(sample).values()
        found = Executor(plan).run(sample[0])[0]
        steps = np.abs(found - expected[0]) / net.encoding.scale
        assert steps.max() < 1.01
        assert (steps > 0.5).mean() < 0.01
        assert len(np.unique(expected)) > 5, "the network is alive"


@pytest.mark.parametrize("name", [*BODIES, *CLOSE])
def test_strips_in_any_order_and_rows_in_order_give_the_same(name: str) -> None:
    net = quantised((BODIES | CLOSE)[name])
    plan = read(plan_of(net.model).to_bytes())
    expected = Executor(plan).run(SAMPLES[0][0])
    np.testing.assert_equal(Executor(plan, afresh=True).run(SAMPLES[0][0]), expected)
    least = read(plan_of(net.model, least_memory=True).to_bytes())
    np.testing.assert_equal(Executor(least).run(SAMPLES[0][0]), expected)
    assert least.arena + least.scratch <= plan.arena + plan.scratch
