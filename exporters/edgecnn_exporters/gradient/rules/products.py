"""Gradients of matrix products and convolutions."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from edgecnn_exporters.gradient.rule import Backward


def gemm(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Gemm in canonical form, ``y = x W' + b``.

    With x (N, I), W (O, I), b (O,): ``dx = dy W``, ``dW = dy' x``, ``db = sum over N of dy``.
    """
    emit, dy, node = back.emit, back.gradient, back.node
    if node.attributes.get_int("transA", 0) or not node.attributes.get_int("transB", 0):
        raise back.refused("it is not in canonical form")
    result: dict[int, ir.Value] = {}
    if 0 in back.wanted:
        result[0] = emit("MatMul", dy, back.input(1))
    if 1 in back.wanted:
        result[1] = emit("Gemm", dy, back.input(0), transA=1)
    if 2 in back.wanted:
        result[2] = emit("ReduceSum", dy, [0], keepdims=0)
    return result


def conv(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Conv."""
    raise back.refused("not yet")
