"""Folding of a fully connected layer that the TFLite writer split, back into one Gemm."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.weights import input_of, reals
from edgecnn_exporters.passes.graph import (
    is_operator,
    new_initialiser,
    producer,
    set_constant,
    sole_reader,
)
from edgecnn_runtime.arrays import Array


class FoldIntoGemm(ir.passes.InPlacePass):
    """``Add(Mul(Gemm(Concat(x, c)), s), o)`` with constants c, s and o becomes one ``Gemm(x)``.

    The writer gives this form to a last layer with a float result and a weight in 8 bits: LiteRT
    computes the range of its input for every image, and c holds the ends of the calibrated range.
    ``W' = s W``, ``b' = s (b + W_c c) + o``.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        folded = [_fold(model.graph, node) for node in list(model.graph) if node.op_type == "Gemm"]
        return ir.passes.PassResult(model, modified=any(folded))


def _fold(graph: ir.Graph, gemm: ir.Node) -> bool:
    weight, bias = reals(gemm.inputs[1]), reals(input_of(gemm, 2))
    if weight is None:
        return False
    offset = np.zeros(len(weight), np.float32) if bias is None else bias
    joined = producer(gemm.inputs[0], "Concat")
    ends = reals(joined.inputs[1]) if joined is not None and len(joined.inputs) == 2 else None
    after = _constants_after(gemm)
    if ends is None and not after:
        return False
    if joined is not None and ends is not None:
        wide = weight.shape[1] - ends.size
        offset = offset + weight[:, wide:] @ ends.ravel()
        weight = weight[:, :wide]
        gemm.replace_input_with(0, joined.inputs[0])
    for node, number in after:
        if node.op_type == "Mul":
            weight, offset = weight * number[:, None], offset * number
        else:
            offset = offset + number
    gemm.replace_input_with(1, new_initialiser(graph, f"{gemm.name}.folded", _float(weight)))
    set_constant(graph, gemm, 2, _float(offset), f"{gemm.name}.offset")
    for node, _ in after:
        _take_over(graph, gemm, node)
    return True


def _constants_after(gemm: ir.Node) -> list[tuple[ir.Node, Array]]:
    """The Mul and Add nodes after a Gemm, each with its constant of one number per output."""
    constants: list[tuple[ir.Node, Array]] = []
    node = sole_reader(gemm.outputs[0])
    while node is not None and is_operator(node, "Mul", "Add"):
        numbers = [reals(value) for value in node.inputs]
        number = next((each for each in numbers if each is not None), None)
        if number is None:
            break
        constants.append((node, number.ravel()))
        node = sole_reader(node.outputs[0])
    return constants


def _take_over(graph: ir.Graph, gemm: ir.Node, last: ir.Node) -> None:
    """Let the Gemm's output replace the one of `last`, under its name."""
    old, new = last.outputs[0], gemm.outputs[0]
    new.name, new.shape = old.name, old.shape
    ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
    old.name = f"{old.name}.unread"
    graph.remove(last, safe=True)
    gemm.name = str(new.name)


def _float(array: Array) -> Array:
    return array.astype(np.float32)
