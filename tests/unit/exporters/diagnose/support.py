"""Small float and QDQ graphs for tests of the diagnosis."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser
import onnx_ir as ir

CHAIN = """
<ir_version: 8, opset_import: ["" : 18]>
chain (float[N, 2, 4, 4] input) => (float[N, 3] logits)
{
    [conv] conv = Conv<pads = [1, 1, 1, 1]>(input, w, b)
    [relu] relu = Relu(conv)
    [pool] pool = GlobalAveragePool(relu)
    [flat] flat = Flatten(pool)
    [head] logits = Gemm<transB = 1>(flat, v, c)
}
"""
QDQ = """
<ir_version: 8, opset_import: ["" : 18]>
quantised (float[N, 2, 4, 4] input) => (float[N, 2, 4, 4] output)
<float s = {0.5}, uint8 z = {128}, float t = {0.25}, uint8 y = {0}> {
    [q] input_q = QuantizeLinear(input, s, z)
    [d] input_d = DequantizeLinear(input_q, s, z)
    [twice] twice = Add(input_d, input_d)
    [relu] relu = Relu(twice)
    [rq] relu_q = QuantizeLinear(relu, t, y)
    [rd] relu_d = DequantizeLinear(relu_q, t, y)
    [out] output = Neg(relu_d)
}
"""


def parse(text: str) -> ir.Model:
    return ir.from_proto(onnx.parser.parse_model(text))


def chain() -> ir.Model:
    """Conv, Relu, pool, Flatten, Gemm, with random weights."""
    proto = onnx.parser.parse_model(CHAIN)
    random = np.random.default_rng(0)
    for name, shape in (("w", (2, 2, 3, 3)), ("b", (2,)), ("v", (3, 2)), ("c", (3,))):
        array = random.normal(size=shape).astype(np.float32)
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    return ir.from_proto(proto)


def pictures() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, 2, 4, 4)).astype(np.float32)
