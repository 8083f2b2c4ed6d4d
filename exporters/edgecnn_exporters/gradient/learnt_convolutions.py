"""Convolutions by a weight that is learnt, in the form that is fastest for one.

ONNX Runtime has blocked layouts for constant weights alone. With one that changes, a Conv copies
the pixels of each window for every input channel. A depthwise one on few pixels is a product by a
matrix. The others stay: a ConvTranspose by the rotated weight takes 2.3, 2.0 and 1.9 ms where they
take 2.5, 2.1 and 1.9 (3×3 of 16 channels on 32×32, 32 on 16×16, 64 on 8×8, batch 32, least of 12 on
one core with AVX-512), but hands out each image of the batch to the threads anew, so that two
threads take up to 6.9, 3.1 and 2.0 ms, and a Conv 1.6, 1.2 and 1.0.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import onnx_ir as ir

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.gradient.composite import Composite, take_place
from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.rule import Backward
from edgecnn_exporters.gradient.rules.windows.convolutions import gradients
from edgecnn_exporters.gradient.rules.windows.depthwise import depthwise_by_matrix, has_few_pixels
from edgecnn_exporters.gradient.rules.windows.geometry import Convolution, convolution_of
from edgecnn_exporters.passes.graph import is_operator


def suit_learnt_convolutions(
    graph: ir.Graph, parameters: Collection[ir.Value], emit: Emitter
) -> tuple[Composite, ...]:
    """Rewrite each Conv whose weight is learnt, where another form is faster.

    Left alone: a Conv of unknown sizes, which has no gradient, and all other forms.
    """
    learnt = [
        node for node in graph if is_operator(node, "Conv") and node.inputs[1] in set(parameters)
    ]
    composites = []
    for node in learnt:
        try:
            convolution = convolution_of(Backward(node, (None,), frozenset(), emit))
        except UnsupportedModel:
            continue
        if has_few_pixels(convolution):
            emit.within(str(node.name), node.outputs[0].dtype, before=node)
            composites.append(_rewrite(graph, node, convolution, emit))
    emit.within("learn")
    return tuple(composites)


def _rewrite(graph: ir.Graph, node: ir.Node, convolution: Convolution, emit: Emitter) -> Composite:
    image, weight, *rest = node.inputs
    assert image is not None
    assert weight is not None
    bias = rest[0] if rest else None
    first = len(emit.written)
    output = depthwise_by_matrix(emit, convolution, image, weight)
    if bias is not None:
        output = emit("Add", output, emit("Reshape", bias, [1, -1, 1, 1]))
    take_place(graph, node, output)

    def rule(gradient: ir.Value, wanted: frozenset[int]) -> Mapping[int, ir.Value]:
        return gradients(emit, convolution, image, weight, gradient, wanted)

    inputs = (image, weight) if bias is None else (image, weight, bias)
    return Composite("Conv", tuple(emit.written[first:]), inputs, output, rule)
