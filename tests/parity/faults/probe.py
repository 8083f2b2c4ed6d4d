"""A small network with one layer for each kind of fault, and its artefacts in every format."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser
import onnx_ir as ir

from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.ladder import quantise

# Strides and pads differ by axis, no two layers have the same weight, and the branches that join
# are of the same shape: whatever is exchanged still fits.
PROBE = """
<ir_version: 8, opset_import: ["" : 18]>
probe (float[N, 3, 16, 16] input) => (float[N, 5] scores)
{
    [stem] stem = Conv<pads = [1, 1, 1, 1]>(input, stem_w, stem_b)
    [stem_relu] stem_relu = Relu(stem)
    [norm] norm = BatchNormalization<epsilon = 0.001>(stem_relu, gamma, beta, mean, variance)
    [norm_relu] norm_relu = Relu(norm)
    [groups] groups = Conv<pads = [1, 1, 1, 1], group = 4>(norm_relu, groups_w, groups_b)
    [groups_relu] groups_relu = Relu(groups)
    [strided] strided = Conv<pads = [1, 1, 1, 1], strides = [2, 1]>
        (groups_relu, strided_w, strided_b)
    [strided_relu] strided_relu = Relu(strided)
    [wide] wide = Conv<pads = [2, 2, 2, 2], dilations = [2, 2]>(strided_relu, wide_w, wide_b)
    [leaky] leaky = LeakyRelu<alpha = 0.1>(wide)
    [depthwise] depthwise = Conv<pads = [1, 1, 1, 1], group = 8>(leaky, depthwise_w, depthwise_b)
    [depthwise_relu] depthwise_relu = Relu(depthwise)
    [point] point = Conv(depthwise_relu, point_w, point_b)
    [gate] gate = Softmax<axis = 1>(point)
    [join] join = Concat<axis = 1>(leaky, depthwise_relu, gate)
    [last] last = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(join, last_w, last_b)
    [last_relu] last_relu = Relu(last)
    [pool] pool = GlobalAveragePool(last_relu)
    [flat] flat = Flatten(pool)
    [head] scores = Gemm<transB = 1>(flat, head_w, head_b)
}
"""
CHANNELS = 8
WEIGHTS = {
    "stem": (CHANNELS, 3, 3, 3),
    "groups": (CHANNELS, 2, 3, 3),
    "strided": (CHANNELS, CHANNELS, 3, 3),
    "wide": (CHANNELS, CHANNELS, 3, 3),
    "depthwise": (CHANNELS, 1, 3, 3),
    "point": (CHANNELS, CHANNELS, 1, 1),
    "last": (12, 3 * CHANNELS, 3, 3),
    "head": (5, 12),
}
SAMPLES = 8


def inputs(count: int, seed: int = 5) -> np.ndarray:
    """Smooth coloured noise, (count, 3, 16, 16), about 0."""
    random = np.random.default_rng(seed)
    coarse = random.normal(size=(count, 3, 6, 6)).repeat(3, axis=2).repeat(3, axis=3)
    fine = random.normal(size=(count, 3, 16, 16))
    return (coarse[:, :, 1:17, 1:17] + 0.5 * fine).astype(np.float32)


@cache
def float_graph() -> ir.Model:
    """The canonical float graph."""
    proto = onnx.parser.parse_model(PROBE)
    random = np.random.default_rng(2)
    arrays = {
        "gamma": random.uniform(0.5, 2.0, CHANNELS),
        "beta": random.normal(0.3, 0.5, CHANNELS),
        "mean": random.normal(0.5, 0.2, CHANNELS),
        "variance": random.uniform(0.5, 1.5, CHANNELS),
    }
    for name, shape in WEIGHTS.items():
        terms = np.prod(shape[1:])
        weight = random.normal(size=shape) * np.sqrt(2 / terms)
        # Channels of unlike size: a permuted scale shows.
        arrays[f"{name}_w"] = weight * random.uniform(0.5, 2.0, (shape[0], *[1] * (len(shape) - 1)))
        arrays[f"{name}_b"] = random.normal(0.2, 0.4, shape[0])
    for name, array in arrays.items():
        tensor = onnx.numpy_helper.from_array(array.astype(np.float32), name)
        proto.graph.initializer.append(tensor)
    model = ir.from_proto(proto)
    canonicalise(model)
    return model


@cache
def quantised_graph() -> ir.Model:
    """The QDQ graph."""
    samples = np.split(inputs(16, seed=6), 16)
    return quantise(float_graph(), samples, QuantConfig(recipe="fast")).model
