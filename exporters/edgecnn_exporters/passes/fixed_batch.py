"""Fixing of a dynamic batch size, for formats that need every size."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common

from edgecnn_exporters.passes.constants import FoldConstants
from edgecnn_exporters.passes.shapes import InferShapes
from edgecnn_exporters.passes.sizes import FoldSizes


def fix_batch(model: ir.Model, batch: int) -> None:
    """Give inputs of dynamic batch that batch, and every value behind them its size."""
    named: list[ir.SymbolicDim] = []
    for value in model.graph.inputs:
        if value.shape is not None and len(value.shape) and not isinstance(value.shape[0], int):
            named.append(value.shape[0])
            value.shape = ir.Shape([batch, *list(value.shape)[1:]])
    # An output need not have the batch first, or may have it in a product: inference says.
    for value in model.graph.outputs:
        if value.shape is not None:
            sizes = [batch if size in named else size for size in value.shape]
            value.shape = ir.Shape(s if isinstance(s, int) else None for s in sizes)
    InferShapes()(model)
    # With the batch known, sizes that were computed from it are constants.
    sized = {"Shape", "Size", "ConstantOfShape", "Expand", "Tile", "Range", "If"}
    while any(node.op_type in sized for node in model.graph):
        passes = (FoldSizes, FoldConstants, common.RemoveUnusedNodesPass)
        changed = [each()(model).modified for each in passes]
        # What was folded has the shape that was known of it before.
        for value in model.graph.initializers.values():
            if value.const_value is not None:
                value.shape = ir.Shape(value.const_value.shape.numpy())
        if not (InferShapes()(model).modified or any(changed)):
            break
