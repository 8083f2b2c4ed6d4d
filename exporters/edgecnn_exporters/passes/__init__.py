"""The graph passes, and the pipeline that brings any CNN into canonical form.

Passes work on onnx-ir models in place. Each is a file of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes.batch_norm import FoldBatchNorm
from edgecnn_exporters.passes.constants import FoldConstants
from edgecnn_exporters.passes.dropout import RemoveDropout
from edgecnn_exporters.passes.flatten import CanonicaliseFlatten
from edgecnn_exporters.passes.gemm import CanonicaliseGemm
from edgecnn_exporters.passes.global_pool import CanonicaliseGlobalPool
from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.passes.names import NameBatch, NameNodes
from edgecnn_exporters.passes.relu6 import CanonicaliseRelu6

# Run once, from top to bottom: each finds what those above it have made.
PIPELINE: tuple[Callable[[], ir.passes.InPlacePass], ...] = (
    common.InlinePass,
    common.RemoveInitializersFromInputsPass,
    common.LiftConstantsToInitializersPass,
    common.IdentityEliminationPass,
    RemoveDropout,
    # Shapes say which axes a ReduceMean or Reshape joins; folding reads and refines them.
    common.ShapeInferencePass,
    FoldConstants,
    common.LiftConstantsToInitializersPass,
    FoldBatchNorm,
    CanonicaliseRelu6,
    CanonicaliseGlobalPool,
    CanonicaliseFlatten,
    CanonicaliseGemm,
    common.RemoveUnusedNodesPass,
    common.RemoveUnusedFunctionsPass,
    common.RemoveUnusedOpsetsPass,
    # Names last, from what the exporters noted; then the notes (which hold source paths) go.
    NameNodes,
    NameBatch,
    common.ClearMetadataAndDocStringPass,
    common.ShapeInferencePass,
)


def canonicalise(model: ir.Model) -> tuple[str, ...]:
    """Bring `model` into canonical form, in place.

    Returns:
        The names of the passes that changed it, in order.

    Raises:
        UnsupportedModel: a pass cannot make sense of the graph.
    """
    changed = []
    for make in PIPELINE:
        name = make.__name__.removesuffix("Pass")
        try:
            result = make()(model)
        except Exception as error:  # a pass of another library may raise anything
            reason = f"{type(error).__name__}: {error}"
            raise UnsupportedModel(f"pass {name} fails on this graph: {reason}") from error
        if result.modified:
            changed.append(name)
    return tuple(dict.fromkeys(changed))


def name_nodes(model: ir.Model) -> None:
    """Give nodes and values the names of the network's modules, and change nothing else."""
    NameNodes()(model)


def find_non_finite(model: ir.Model) -> list[str]:
    """The names of initialisers that hold NaN or infinity."""
    return [
        name
        for name, value in model.graph.initializers.items()
        if (array := constant(value)) is not None
        and array.dtype.kind == "f"
        and not np.isfinite(array).all()
    ]


__all__ = ["PIPELINE", "canonicalise", "find_non_finite", "name_nodes"]
