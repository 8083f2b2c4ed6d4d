"""Saturation of u8 × s8 products in 16 bits (VPMADDUBSW).

VPMADDUBSW multiplies 32 unsigned by 32 signed bytes and adds each pair of neighbours with
saturation to 16 bits. Two products of 255 · 127 are 64,770, which saturates to 32,767. Kernels
for x86 without VNNI use it; VNNI's VPDPBUSD adds in 32 bits.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines.onnxruntime import import_onnxruntime

INT16 = np.iinfo(np.int16)
_PRODUCT = """
<ir_version: 9, opset_import: ["": 13]>
product (uint8[1, 4] a, int8[4, 1] b) => (int32[1, 1] y) { y = MatMulInteger(a, b) }
"""


def add_pairs(inputs: Array, weights: Array) -> Array:
    """The sums of products with each pair of neighbours saturated to 16 bits.

    Args:
        inputs: (positions, terms), integers 0 … 255.
        weights: (channels, terms), integers -128 … 127.

    Returns:
        (positions, channels) int64.
    """
    if inputs.shape[1] % 2:
        inputs = np.pad(inputs, ((0, 0), (0, 1)))
        weights = np.pad(weights, ((0, 0), (0, 1)))
    sums = np.zeros((len(inputs), len(weights)), np.int64)
    for term in range(0, inputs.shape[1], 2):
        pair = np.outer(inputs[:, term], weights[:, term]).astype(np.int64)
        pair += np.outer(inputs[:, term + 1], weights[:, term + 1])
        sums += np.clip(pair, INT16.min, INT16.max)
    return sums


@cache
def saturates_here() -> bool:
    """Whether this processor's kernels add pairs in 16 bits, measured with one of ONNX Runtime.

    `session_options` avoids that in ONNX Runtime; OpenVINO has no such option.
    """
    import onnx.parser

    model = onnx.parser.parse_model(_PRODUCT).SerializeToString()
    onnxruntime = import_onnxruntime()
    # Not `session_options`, which avoid what is measured here.
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    inputs, weights = np.full((1, 4), 255, np.uint8), np.full((4, 1), 127, np.int8)
    (product,) = session.run(None, {"a": inputs, "b": weights})
    return int(product.item()) != 4 * 255 * 127
