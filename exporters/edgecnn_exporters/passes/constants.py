"""Arithmetic on constants is done once, here."""

from __future__ import annotations

import onnx_ir as ir

# Larger results than inputs are only folded up to here: a Tile of a scalar is no weight.
MAX_OUTPUT_VALUES = 1 << 20


class FoldConstants(ir.passes.InPlacePass):
    """A node whose inputs are all constant becomes its result; known shapes become constants.

    onnxscript's folder, which also resolves the Shape → Gather → Concat chains that TorchScript
    leaves before a Reshape. Left alone: results of more than a million values.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        from onnxscript.optimizer import fold_constants

        result = fold_constants(model, output_size_limit=MAX_OUTPUT_VALUES)
        return ir.passes.PassResult(model, modified=bool(result.modified))
