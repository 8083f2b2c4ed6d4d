"""Outputs of a captured graph as values of their own, whatever a network returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgecnn_exporters.capture.pytorch_exporters import INPUT

if TYPE_CHECKING:
    import onnx_ir as ir


def separate_outputs(model: ir.Model, names: Sequence[str]) -> None:
    """Give every output of the graph a value and a name of its own, in place.

    A network may return one tensor twice, its input, or a weight. An Identity makes an output of
    each: ONNX names outputs by their values, and so each needs one.

    Args:
        names: of the outputs, in their order.
    """
    import onnx_ir as ir

    graph = model.graph
    sources = list(graph.outputs)
    for index, value in enumerate(sources):
        is_shared = sources.index(value) < index
        if is_shared or value.is_graph_input() or value.is_initializer():
            copy = ir.node("Identity", [value])
            graph.append(copy)
            (own,) = copy.outputs
            own.shape, own.type = value.shape, value.type
            graph.outputs[index] = own
    for value in {*sources} - {*graph.outputs}:
        # An exporter named it as the output that it no longer is.
        value.name = INPUT if value.is_graph_input() else f"{value.name}.value"
    for value, name in zip(graph.outputs, names, strict=True):
        value.name = name
