"""Convolutions by a weight that is learnt, in the form that is fastest for one.

ONNX Runtime has blocked layouts for constant weights alone. With one that changes, a Conv copies
the pixels of each window for every input channel, a ConvTranspose adds them up for every output
channel: of 16 channels to 16 on 32×32 the first takes 3.3 ms and the second 2.5 ms, of 32 on 16×16
2.5 and 2.0 ms, of 64 on 8×8 2.04 and 1.95 ms, but of 3 to 16 on 32×32 0.65 and 2.1 ms (3×3, batch
32, least of 25 on one core with AVX-512). Depthwise ones on few pixels are products by a matrix.
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
from edgecnn_exporters.gradient.rules.windows.image_gradient import rotated
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
        if has_few_pixels(convolution) or is_faster_transposed(convolution):
            emit.within(str(node.name), node.outputs[0].dtype, before=node)
            composites.append(_rewrite(graph, node, convolution, emit))
    emit.within("learn")
    return tuple(composites)


def is_faster_transposed(convolution: Convolution) -> bool:
    """Whether a ConvTranspose computes it faster: it has no more outputs than inputs."""
    windows = convolution.windows
    return (
        convolution.groups == 1
        and not convolution.is_pointwise
        and convolution.outputs <= convolution.inputs
        and all(
            window.stride == 1 and window.reach > max(window.before, window.after)
            for window in windows
        )
    )


def _rewrite(graph: ir.Graph, node: ir.Node, convolution: Convolution, emit: Emitter) -> Composite:
    image, weight, *rest = node.inputs
    assert image is not None
    assert weight is not None
    bias = rest[0] if rest else None
    first = len(emit.written)
    if has_few_pixels(convolution):
        output = depthwise_by_matrix(emit, convolution, image, weight)
        if bias is not None:
            output = emit("Add", output, emit("Reshape", bias, [1, -1, 1, 1]))
    else:
        output = _transposed(emit, convolution, image, weight, bias)
    take_place(graph, node, output)

    def rule(gradient: ir.Value, wanted: frozenset[int]) -> Mapping[int, ir.Value]:
        return gradients(emit, convolution, image, weight, gradient, wanted)

    inputs = (image, weight) if bias is None else (image, weight, bias)
    return Composite("Conv", tuple(emit.written[first:]), inputs, output, rule)


def _transposed(
    emit: Emitter,
    convolution: Convolution,
    image: ir.Value,
    weight: ir.Value,
    bias: ir.Value | None,
) -> ir.Value:
    """The convolution as a transposed one, by the rotated weight (C, O, …)."""
    windows = convolution.windows
    operands = [image, rotated(emit, convolution, weight)]
    return emit(
        "ConvTranspose",
        *operands if bias is None else [*operands, bias],
        kernel_shape=[window.kernel for window in windows],
        dilations=[window.dilation for window in windows],
        pads=[
            *(window.reach - 1 - window.before for window in windows),
            *(window.reach - 1 - window.after for window in windows),
        ],
    )
