"""The graph passes, and the pipeline that brings any CNN into canonical form.

Passes work on onnx-ir models in place. Each is a file of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes.axes import NameAllAxes
from edgecnn_exporters.passes.batch_norm import FoldBatchNorm
from edgecnn_exporters.passes.constants import FoldConstants, LiftConstants
from edgecnn_exporters.passes.dropout import RemoveDropout, SwitchOnDropout
from edgecnn_exporters.passes.flatten import CanonicaliseFlatten
from edgecnn_exporters.passes.gemm import CanonicaliseGemm
from edgecnn_exporters.passes.global_pool import CanonicaliseGlobalPool
from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.passes.identity import RemoveIdentity
from edgecnn_exporters.passes.names import NameBatch, NameNodes
from edgecnn_exporters.passes.padding.auto_pad import MakePaddingExplicit
from edgecnn_exporters.passes.padding.ceil_mode import RoundPoolsDown
from edgecnn_exporters.passes.padding.max_pool import JoinPadToMaxPool
from edgecnn_exporters.passes.relu6 import CanonicaliseRelu6
from edgecnn_exporters.passes.reshape import FixReshape
from edgecnn_exporters.passes.response_norm import CanonicaliseResponseNorm
from edgecnn_exporters.passes.rewrite import PassReport, left_alone, pass_name
from edgecnn_exporters.passes.shapes import InferShapes
from edgecnn_exporters.passes.sizes import FoldSizes

_log = logging.getLogger(__name__)

MakePass = Callable[[], ir.passes.InPlacePass]


@dataclass(frozen=True)
class PassStage:
    """Passes that run in order, repeatedly until none changes the graph, at most `rounds` times."""

    passes: tuple[MakePass, ...]
    rounds: int = 1


# MobileNetV2 needs three rounds, ShuffleNetV2 from TorchScript ten: its sizes depend on each other,
# reshape after reshape. The bound leaves room for deeper ones, and ends a loop that never settles.
MAX_ROUNDS = 100

PIPELINE: tuple[PassStage, ...] = (
    PassStage(
        (
            common.InlinePass,
            common.RemoveInitializersFromInputsPass,
            RemoveDropout,
            NameBatch,
        )
    ),
    # Repeated: one pass needs sizes that another resolves.
    PassStage(
        (
            LiftConstants,
            RemoveIdentity,
            # Shapes say which axes a ReduceMean or Reshape joins; folding reads them too.
            InferShapes,
            FixReshape,
            NameAllAxes,
            MakePaddingExplicit,
            RoundPoolsDown,
            FoldSizes,
            FoldConstants,
            FoldBatchNorm,
            CanonicaliseRelu6,
            CanonicaliseResponseNorm,
            CanonicaliseGlobalPool,
            CanonicaliseFlatten,
            CanonicaliseGemm,
            JoinPadToMaxPool,
            common.RemoveUnusedNodesPass,
        ),
        rounds=MAX_ROUNDS,
    ),
    # Names last, from what the exporters noted; then the notes (which hold source paths) go.
    PassStage(
        (
            common.RemoveUnusedFunctionsPass,
            common.RemoveUnusedOpsetsPass,
            NameNodes,
            common.ClearMetadataAndDocStringPass,
        )
    ),
)

# What the form for training has instead of a pass; None leaves it out.
FOR_TRAINING: Mapping[MakePass, MakePass | None] = {
    RemoveDropout: SwitchOnDropout,
    FoldBatchNorm: None,
}


def canonicalise(model: ir.Model) -> PassReport:
    """Bring `model` into canonical form, in place.

    Raises:
        UnsupportedModel: a pass fails on the graph.
    """
    return _run(PIPELINE, model)


def canonicalise_for_training(model: ir.Model) -> PassReport:
    """Bring `model` into canonical form with BatchNormalization and Dropout kept, in place.

    Every Dropout is switched on: the model is for `gradient.training_graph`, and no artefact. A
    module that is captured in evaluation mode brings no Dropout; an ONNX file may have one.

    Raises:
        UnsupportedModel: a pass fails on the graph.
    """
    return _run([_for_training(stage) for stage in PIPELINE], model)


def _for_training(stage: PassStage) -> PassStage:
    chosen = (FOR_TRAINING.get(make, make) for make in stage.passes)
    return replace(stage, passes=tuple(make for make in chosen if make is not None))


def _run(stages: Sequence[PassStage], model: ir.Model) -> PassReport:
    changed: dict[str, None] = {}
    # Of each pass the last run: what an early round refuses, a later one may match.
    last: dict[str, ir.passes.PassResult] = {}
    for stage in stages:
        for results in _rounds(stage, model):
            changed.update({name: None for name, result in results.items() if result.modified})
            last |= results
    # Here, so that nodes have their final names.
    return PassReport(tuple(changed), left_alone(last))


def _rounds(stage: PassStage, model: ir.Model) -> Iterator[dict[str, ir.passes.PassResult]]:
    """The results of a stage's passes, by their names, round by round."""
    modified: list[str] = []
    for _ in range(stage.rounds):
        results = {pass_name(make): _apply(make, model) for make in stage.passes}
        yield results
        modified = [name for name, result in results.items() if result.modified]
        if not modified:
            return
    if stage.rounds > 1:
        _log.warning("not settled after %d rounds: %s", stage.rounds, ", ".join(modified))


def _apply(make: MakePass, model: ir.Model) -> ir.passes.PassResult:
    try:
        return make()(model)
    except Exception as error:  # a pass of another library may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise UnsupportedModel(f"pass {pass_name(make)} fails on this graph: {reason}") from error


def name_nodes(model: ir.Model) -> None:
    """Name nodes and values after the network's modules, and change nothing else."""
    NameNodes()(model)


def find_non_finite(model: ir.Model) -> list[str]:
    """The names of initialisers that hold NaN, or infinity where an operator has its weights.

    Elsewhere infinity is meant: as the bound of a Clip, the mask of an attention, a pool's padding.
    """
    bad = []
    for name, value in model.graph.initializers.items():
        array = constant(value)
        if array is None or value.dtype is None or not value.dtype.is_floating_point():
            continue
        # bfloat16 and the 8-bit floats have no test of their own in every numpy.
        numbers = array.astype(np.float32, copy=False) if array.itemsize < 4 else array
        if np.isnan(numbers).any() or (_is_weight(value) and np.isinf(numbers).any()):
            bad.append(name)
    return bad


_WEIGHTED = frozenset(
    (
        "Conv",
        "ConvTranspose",
        "Gemm",
        "MatMul",
        "BatchNormalization",
        "InstanceNormalization",
        "LayerNormalization",
        "GroupNormalization",
        "PRelu",
        "LSTM",
        "GRU",
        "RNN",
    )
)


def _is_weight(value: ir.Value) -> bool:
    return any(use.node.op_type in _WEIGHTED for use in value.uses())


__all__ = [
    "FOR_TRAINING",
    "PIPELINE",
    "PassReport",
    "PassStage",
    "canonicalise",
    "canonicalise_for_training",
    "find_non_finite",
    "name_nodes",
]
