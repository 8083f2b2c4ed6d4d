"""Shape inference for every value of the graph."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.passes.graph import is_operator, is_set
from edgecnn_exporters.passes.resized import infer_with_factors

# onnx's own names for unknown extents.
_UNKNOWN = "unk__"
# The first opset whose inference counts the windows of a pool with ceil_mode as PyTorch and ONNX
# Runtime do: without one that would begin behind the image.
_POOLS_AS_COMPUTED = 22


class InferShapes(ir.passes.InPlacePass):
    """All shapes are inferred anew from the graph's inputs and operators.

    Shapes that the file notes on values inside the graph are dropped first: other tools leave
    stale ones behind. Of the outputs, whose shapes are part of the model's interface, only names
    of dynamic axes are dropped. Where a pool has ``ceil_mode``, the rules of opset 22 are asked.
    Left alone: a graph of which onnx can infer nothing.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        values = [value for node in model.graph for value in node.outputs]
        before = [(value.type, value.shape) for value in values]
        for value in values:
            value.shape = _static_extents(value.shape) if value.is_graph_output() else None
        initialisers = list(model.graph.initializers.values())
        own = model.graph.opset_imports.get("")
        if own is not None and any(map(_is_rounded_up, model.graph)):
            model.graph.opset_imports[""] = max(own, _POOLS_AS_COMPUTED)
        inferred = infer_with_factors(model)
        if own is not None:
            model.graph.opset_imports[""] = own
        # onnx-ir 1.1 takes large ones out for the inference and puts them back at the end.
        model.graph.initializers.clear()
        for initialiser in initialisers:
            model.graph.initializers.add(initialiser)
        if not inferred:
            for value, (_, shape) in zip(values, before, strict=True):
                value.shape = shape
            return ir.passes.PassResult(model, modified=False)
        for value in values:
            value.shape = _without_placeholders(value.shape)
        after = [(value.type, value.shape) for value in values]
        return ir.passes.PassResult(model, modified=after != before)


def _is_rounded_up(node: ir.Node) -> bool:
    return is_operator(node, "MaxPool", "AveragePool", "LpPool") and is_set(node, "ceil_mode")


def _static_extents(shape: ir.Shape | None) -> ir.Shape | None:
    if shape is None:
        return None
    return ir.Shape([extent if isinstance(extent, int) else None for extent in shape])


def _without_placeholders(shape: ir.Shape | None) -> ir.Shape | None:
    if shape is None:
        return None
    return ir.Shape([None if str(extent).startswith(_UNKNOWN) else extent for extent in shape])
