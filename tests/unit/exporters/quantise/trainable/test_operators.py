from __future__ import annotations

import numpy as np
import pytest
import torch
from unit.exporters.quantise.chain_support import assert_same, compute, inputs, network
from unit.exporters.quantise.trainable.support import quantised

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.quantise.trainable.network import TrainableNetwork

RANDOM = np.random.default_rng(5)
WEIGHTS = {
    "t1": RANDOM.standard_normal((3, 4, 3, 2)).astype(np.float32),
    "t2": RANDOM.standard_normal((3, 2, 2, 2)).astype(np.float32),
    "dw": RANDOM.standard_normal((3, 1, 3, 3)).astype(np.float32),
    "g1": RANDOM.standard_normal((3, 5)).astype(np.float32),
    "gb": RANDOM.standard_normal((1, 5)).astype(np.float32),
    "gamma": np.linspace(0.5, 2, 3, dtype=np.float32),
    "beta": np.linspace(-1, 1, 3, dtype=np.float32),
    "mean": np.linspace(-0.3, 0.4, 3, dtype=np.float32),
    "variance": np.linspace(0.3, 2, 3, dtype=np.float32),
    "slopes": np.linspace(-0.5, 1.5, 3, dtype=np.float32).reshape(3, 1, 1),
    "axis1": np.array([1]),
    "axis0": np.array([0]),
    "image": np.array([2, 3]),
    "flat": np.array([0, -1]),
    "kept": np.array([0, 3, 4, 16]),
    "starts": np.array([1, -7]),
    "ends": np.array([3, 9]),
    "places": np.array([1, 3]),
    "strides": np.array([1, 2]),
    "sizes": np.array([1, 2]),
    "around": np.array([0, 0, 1, 2, 0, 0, 2, 1]),
    "cut": np.array([0, -1, 1, 0, 0, 0, -1, 0]),
    "half": np.array(0.5, np.float32),
    "low": np.array(-0.4, np.float32),
    "twice": np.array([1, 1, 2, 2], np.float32),
    "odd": np.array([1, 1, 1.5, 3], np.float32),
}
BODIES = (
    "y = Conv <pads = [0, 1, 2, 1], strides = [2, 1]> (x, w1, b1)",
    "y = Conv <pads = [2, 2, 2, 2], dilations = [2, 2], group = 3> (x, dw)",
    "y = ConvTranspose <pads = [0, 1, 1, 0], strides = [2, 3], output_padding = [1, 0]> (x, t1)",
    "y = ConvTranspose <group = 3, dilations = [2, 1]> (x, t2)",
    "a = GlobalAveragePool (x) b = Flatten (a) y = Gemm <alpha = 0.5, beta = 2.0> (b, g1, gb)",
    "a = GlobalAveragePool (x) b = Flatten (a) y = MatMul (b, g1)",
    "y = BatchNormalization <epsilon = 0.01> (x, gamma, beta, mean, variance)",
    "y = LRN <size = 3, alpha = 0.1, beta = 0.6, bias = 2.0> (x)",
    "y = MaxPool <kernel_shape = [3, 2], pads = [1, 0, 2, 1], strides = [2, 1]> (x)",
    "y = MaxPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], dilations = [1, 2]> (x)",
    "y = AveragePool <kernel_shape = [3, 3], pads = [0, 1, 2, 1], strides = [2, 2]> (x)",
    "y = AveragePool <kernel_shape = [3, 2], pads = [1, 0, 1, 1], count_include_pad = 1> (x)",
    "y = ReduceMean <keepdims = 0> (x, image)",
    "y = Clip (x, low)",
    "y = Clip (x, low, half)",
    "y = LeakyRelu <alpha = 0.3> (x)",
    "y = PRelu (x, slopes)",
    "y = HardSigmoid <alpha = 0.3, beta = 0.4> (x)",
    "y = HardSwish (x)",
    "a = Sigmoid (x) b = Tanh (x) c = Sub (b, a) y = Div (c, a)",
    "y = Softmax <axis = 1> (x)",
    "y = Pad (x, around, half)",
    "y = Pad (x, cut)",
    'y = Pad <mode = "reflect"> (x, around)',
    'y = Pad <mode = "edge"> (x, around)',
    "y = Reshape (x, flat)",
    "y = Reshape (x, kept)",
    "a = Transpose <perm = [0, 2, 3, 1]> (x) y = Flatten <axis = 2> (a)",
    "a = GlobalAveragePool (x) b = Squeeze (a, image) y = Unsqueeze (b, axis1)",
    "y = Slice (x, starts, ends, places, strides)",
    "a, b = Split <axis = 1> (x, sizes) y = Concat <axis = 1> (b, a)",
    "a, b, c = Split <axis = 2, num_outputs = 3> (x) y = Concat <axis = 2> (c, b, a)",
    'y = Resize <coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"> (x, , odd)',
    'y = Resize <mode = "linear"> (x, , twice)',
    'y = Resize <mode = "linear", coordinate_transformation_mode = "align_corners"> (x, , odd)',
)


@pytest.mark.parametrize("body", BODIES)
def test_an_operator_in_torch_computes_what_onnx_runtime_does(body: str) -> None:
    answers = "float[A, B, C, D] y"
    for few in ("Flatten (a)", "Gemm", "MatMul", "keepdims = 0", "flat)", "<axis = 2> (a)"):
        answers = "float[A, B] y" if few in body else answers
    model = network(body, WEIGHTS, answers="float[A, B, C] y" if "Unsqueeze" in body else answers)
    names = tuple(str(node.name) for node in model.graph)
    x = inputs()
    plan, numbers = quantised(model, x, keep_float=names)
    assert not plan.integer
    with torch.no_grad():
        found = TrainableNetwork(model, plan, numbers)(torch.from_numpy(x)).numpy()
    assert_same(found, compute(model, "y", x))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("y = Erf (x)", "y (Erf) cannot be trained through: it has no differentiable form"),
        ('[up] y = Resize <mode = "cubic"> (x, , twice)', "up (Resize) .* no cubic resizing"),
        ("y = MaxPool <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1> (x)", "ceil_mode"),
        ("y = LRN <size = 2> (x)", "an even number of channels"),
        ('y = Conv <auto_pad = "SAME_LOWER"> (x, w1)', "its padding is automatic"),
        (
            "y = AveragePool <kernel_shape = [2, 2], dilations = [2, 2]> (x)",
            "its window is dilated",
        ),
    ],
)
def test_what_torch_does_not_compute_alike_is_refused_by_name(body: str, reason: str) -> None:
    model = network(body, WEIGHTS)
    plan, numbers = quantised(model, inputs(), keep_float=("y", "up"))
    with pytest.raises(UnsupportedModel, match=reason.replace("(", r"\(").replace(")", r"\)")):
        TrainableNetwork(model, plan, numbers)
