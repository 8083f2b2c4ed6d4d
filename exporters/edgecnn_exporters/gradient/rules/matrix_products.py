"""Gradients of matrix products: Gemm and MatMul."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.gradient.broadcast import sum_to_input
from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.rule import Backward


def gemm(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of Gemm, ``y = alpha A' B' + beta C`` with A' = A or its transpose, B' so too.

    With y (M, N), A' (M, K), B' (K, N), C of any shape that broadcasts to y:
    ``dA' = alpha dy B'^T`` (M, K), ``dB' = alpha A'^T dy`` (K, N), ``dC = beta dy``, summed to C.
    """
    emit, dy, node = back.emit, back.gradient, back.node
    a_is_turned, b_is_turned = (node.attributes.get_int(name, 0) for name in ("transA", "transB"))
    alpha = node.attributes.get_float("alpha", 1.0)
    beta = node.attributes.get_float("beta", 1.0)
    result: dict[int, ir.Value] = {}
    if 0 in back.wanted:
        b = back.input(1)
        if a_is_turned:  # dA = B' dy^T
            result[0] = emit("Gemm", b, dy, transA=b_is_turned, transB=1, alpha=alpha)
        else:
            result[0] = emit("Gemm", dy, b, transB=1 - b_is_turned, alpha=alpha)
    if 1 in back.wanted:
        a = back.input(0)
        if b_is_turned:  # dB = dy^T A'
            result[1] = emit("Gemm", dy, a, transA=1, transB=a_is_turned, alpha=alpha)
        else:
            result[1] = emit("Gemm", a, dy, transA=1 - a_is_turned, alpha=alpha)
    if 2 in back.wanted:
        scaled = dy if beta == 1.0 else emit("Mul", dy, beta)
        result[2] = sum_to_input(back, scaled, 2)
    return result


def matmul(back: Backward) -> Mapping[int, ir.Value]:
    """Gradient of MatMul: ``dA = dy B^T``, ``dB = A^T dy``, summed over axes that broadcast.

    A (…, M, K), B (…, K, N), y (…, M, N). Where B has two axes, as a layer's weight, dB is one
    product of all rows of A: (K, rows) by (rows, N). A vector is a matrix of one row (A) or one
    column (B), whose axis y lacks.
    """
    emit, (a, b), dy = back.emit, _matrices(back), _matrix_gradient(back)
    result: dict[int, ir.Value] = {}
    if 0 in back.wanted:
        product = emit("MatMul", dy, b.turned(emit))
        result[0] = a.restore(emit, a.sum_leading(back, product))
    if 1 in back.wanted and len(b.shape) == 2:
        rows = emit("Reshape", a.value, [-1, _fixed(back, a.shape[-1])])
        changes = emit("Reshape", dy, [-1, _fixed(back, b.shape[-1])])
        result[1] = b.restore(emit, emit("Gemm", rows, changes, transA=1))
    elif 1 in back.wanted:
        product = emit("MatMul", a.turned(emit), dy)
        result[1] = b.restore(emit, b.sum_leading(back, product))
    return result


@dataclass(frozen=True)
class _Matrices:
    """An operand of MatMul with at least two axes.

    Attributes:
        added: axis that a vector got.
    """

    value: ir.Value
    shape: tuple[int | None, ...]
    added: int | None

    def turned(self, emit: Emitter) -> ir.Value:
        """The transposed matrices."""
        count = len(self.shape)
        return emit("Transpose", self.value, perm=[*range(count - 2), count - 1, count - 2])

    def restore(self, emit: Emitter, gradient: ir.Value) -> ir.Value:
        """A gradient of the matrices without the added axis."""
        return gradient if self.added is None else emit("Squeeze", gradient, [self.added])

    def sum_leading(self, back: Backward, gradient: ir.Value) -> ir.Value:
        """A gradient (…, rows, columns) with y's leading axes, summed to the operand's."""
        leading = back.output_shape()[: len(back.output_shape()) + _vectors(back) - 2]
        own, added = self.shape[:-2], len(leading) - len(self.shape[:-2])
        ones = [axis for axis, size in enumerate(own, added) if size == 1 != leading[axis]]
        if ones:
            gradient = back.emit("ReduceSum", gradient, ones, keepdims=1)
        if added:
            gradient = back.emit("ReduceSum", gradient, list(range(added)), keepdims=0)
        return gradient


def _matrices(back: Backward) -> tuple[_Matrices, _Matrices]:
    operands = []
    for index, added in ((0, -2), (1, -1)):
        value, shape = back.input(index), back.shape(index)
        if len(shape) == 1:
            lifted = back.emit("Unsqueeze", value, [added])
            whole = (1, *shape) if added == -2 else (*shape, 1)
            operands.append(_Matrices(lifted, whole, added))
        else:
            operands.append(_Matrices(value, shape, None))
    return operands[0], operands[1]


def _matrix_gradient(back: Backward) -> ir.Value:
    """The gradient of y with the axes that vectors took from it."""
    added = [axis for index, axis in ((0, -2), (1, -1)) if len(back.shape(index)) == 1]
    return back.emit("Unsqueeze", back.gradient, added) if added else back.gradient


def _vectors(back: Backward) -> int:
    return sum(len(back.shape(index)) == 1 for index in (0, 1))


def _fixed(back: Backward, extent: int | None) -> int:
    if extent is None:
        raise back.refused("the width of its matrices is not fixed")
    return extent
