"""Operators that compute something else in training: Dropout as a product with a random mask."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.rule import cannot_learn
from edgecnn_exporters.passes.dropout import ratio_of
from edgecnn_exporters.passes.graph import is_operator, new_initialiser, replace_node
from edgecnn_runtime.training import RANDOM


def apply_training_forms(graph: ir.Graph) -> tuple[ir.Value, ...]:
    """Every Dropout becomes ``y = x * [random > ratio] / (1 - ratio)``.

    Srivastava et al. 2014, "Dropout", section 4, in the scaled form of ``torch.nn.Dropout``. As a
    product it needs no rule of its own: the gradient passes by the same mask. One with ratio 0
    becomes an Identity. `canonicalise_for_training` keeps what the other canonical form removes;
    PyTorch modules that were captured in evaluation mode bring no Dropout.

    Returns:
        New inputs of the graph, one a Dropout: V.random, V its output, of the shape of x; each step
        feeds uniform numbers of [0, 1).

    Raises:
        UnsupportedModel: a ratio is computed, or a mask is read.
    """
    drawn = (_rewrite(graph, node) for node in list(graph) if is_operator(node, "Dropout"))
    return tuple(random for random in drawn if random is not None)


def _rewrite(graph: ir.Graph, node: ir.Node) -> ir.Value | None:
    ratio = ratio_of(node)
    if ratio is None or not 0 <= ratio <= 1:
        raise cannot_learn(node, "its ratio is computed, or not in 0…1")
    if any(value.uses() or value.is_graph_output() for value in node.outputs[1:]):
        raise cannot_learn(node, "its mask is read")
    source = node.inputs[0]
    if ratio == 0:
        replace_node(graph, node, ir.node("Identity", [source]))
        return None
    name = str(node.outputs[0].name)
    random = _like(source, f"{name}{RANDOM}")
    graph.inputs.append(random)
    # Of ratio 1 nothing is kept: the factor is of no value then, and finite.
    factor = 1 / (1 - ratio) if ratio < 1 else 0.0
    threshold, share = (
        new_initialiser(graph, f"{name}.{what}", np.array(number, np.float32))
        for what, number in (("ratio", ratio), ("factor", factor))
    )
    kept = ir.node("Greater", [random, threshold], name=f"{name}.is_kept")
    mask = ir.node("Cast", kept.outputs, {"to": int(ir.DataType.FLOAT)}, name=f"{name}.mask")
    factors = ir.node("Mul", [mask.outputs[0], share], name=f"{name}.factors")
    for new in (kept, mask, factors):
        value = new.outputs[0]
        value.name, value.shape, value.type = str(new.name), random.shape, random.type
    kept.outputs[0].type = ir.TensorType(ir.DataType.BOOL)
    graph.insert_before(node, [kept, mask, factors])
    replace_node(graph, node, ir.node("Mul", [source, factors.outputs[0]]))
    return random


def _like(source: ir.Value | None, name: str) -> ir.Value:
    shape = source.shape if source is not None else None
    return ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT), shape=shape)
