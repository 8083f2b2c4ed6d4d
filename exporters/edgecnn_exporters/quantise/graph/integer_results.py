"""Integer form of a QDQ graph's results: every output is held in 8 bits.

The QDQ graph leaves the result of the last sum in float, which costs nothing on a CPU. NPUs and
microcontrollers compute no float: for them the result has the encoding that was measured with the
rest, and what follows it (a Softmax, a Flatten) is held in 8 bits too.
"""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_operator, maker
from edgecnn_exporters.quantise.graph.activation_pair import insert_pair
from edgecnn_exporters.quantise.graph.integer_marks import is_marked_integer, mark_integer
from edgecnn_exporters.quantise.graph.output_encodings import noted_encoding, noted_float
from edgecnn_runtime.encoding import Encoding

# Of functions with a fixed range, as TFLite's kernels prescribe them.
PRESCRIBED = {
    "Softmax": Encoding(1 / 256, 0),
    "Sigmoid": Encoding(1 / 256, 0),
    "Tanh": Encoding(1 / 128, 128),
    "LogSoftmax": Encoding(16 / 256, 255),
}
_MOVES = ("Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")


def with_integer_results(model: ir.Model) -> ir.Model:
    """A copy of a QDQ graph whose results of the last sums, and what follows them, hold 8 bits.

    An output for which no encoding was noted stays float: `float_outputs` names it.
    """
    copy = model.clone()
    for node in list(copy.graph):
        encoding = noted_encoding(node.outputs[0]) or _following(node)
        if encoding is not None:
            mark_integer(node)
            value = node.outputs[0]
            insert_pair(copy.graph, value, encoding, value.uses(), is_result=True)
    return copy


def float_outputs(graph: ir.Graph) -> dict[str, str]:
    """Outputs of a graph that hold no 8 bits, with the reason where one was noted."""
    return {
        str(value.name): noted_float(value) or "no 8-bit encoding was measured for it"
        for value in graph.outputs
        if maker(value, "DequantizeLinear") is None
    }


def _following(node: ir.Node) -> Encoding | None:
    """The encoding of a float operator behind an 8-bit value whose result is not held yet."""
    if is_marked_integer(node) or not is_operator(node, *PRESCRIBED, *_MOVES):
        return None
    before = maker(node.inputs[0], "DequantizeLinear")
    if before is None or maker(before.inputs[0], "QuantizeLinear") is None:
        return None
    if any(is_operator(use.node, "QuantizeLinear") for use in node.outputs[0].uses()):
        return None
    return PRESCRIBED.get(node.op_type) or _encoding(before)


def _encoding(node: ir.Node) -> Encoding:
    scale, zero = constant(node.inputs[1]), constant(node.inputs[2])
    assert scale is not None
    assert zero is not None
    return Encoding(float(scale.reshape(())), int(zero.reshape(())))
