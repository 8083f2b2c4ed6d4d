"""JSON document of ``edgecnn export``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.exporting.speed import Speed
from edgecnn_runtime.parity.difference import Difference
from edgecnn_runtime.tensor_spec import TensorSpec
from edgecnn_runtime.training import Loss, Normalisation, Optimiser

if TYPE_CHECKING:
    from edgecnn_exporters.exported import Exported
    from edgecnn_runtime.manifest import Manifest


@dataclass(frozen=True)
class LearningFields:
    """Training graph of a bundle.

    Attributes:
        graph: path in the bundle.
        parameters: what is learnt.
        backbone: precision of the frozen layers in front of what is learnt.
        loss, optimiser: of a step.
        learning_rate: of a step that is told no other.
        normalisation: statistics of batch normalisation: as they are, or of each batch.
        is_class_count_free: the last layer can be made anew for other classes.
        is_int8_written: a device can write the int8 artefact anew.
    """

    graph: str
    parameters: tuple[TensorSpec, ...]
    backbone: str
    loss: Loss
    optimiser: Optimiser
    learning_rate: float
    normalisation: Normalisation
    is_class_count_free: bool
    is_int8_written: bool


@dataclass(frozen=True)
class ExportDocument:
    """A bundle that was written, and how it was proven.

    Attributes:
        bundle: path of the bundle.
        size_bytes: of the bundle.
        name: of the network.
        inputs, outputs: of the network; null in a shape is the dynamic batch.
        operators: operator type → number of them in the fp32 graph.
        difference: of the exported network's outputs from the original's.
        provenance: what the bundle was made from and by, as its manifest has it.
        warnings: outputs whose answers prove little.
        notes: assumptions, and what of the network was changed for its export.
        learning: training graph of the bundle; null without ``--learn``.
        speed: int8 against fp32; null where it was not measured.
    """

    bundle: str
    size_bytes: int
    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: Mapping[str, int]
    difference: Difference
    provenance: Mapping[str, Any]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    learning: LearningFields | None
    speed: Speed | None


def export_document(
    exported: Exported, notes: tuple[str, ...], speed: Speed | None
) -> ExportDocument:
    """The document of an export."""
    manifest = exported.manifest
    return ExportDocument(
        bundle=str(exported.path),
        size_bytes=exported.size_bytes,
        name=manifest.name,
        inputs=manifest.inputs,
        outputs=manifest.outputs,
        operators=dict(exported.operators),
        difference=exported.difference,
        provenance=manifest.provenance,
        warnings=tuple(exported.warnings),
        notes=notes,
        learning=_learning(manifest),
        speed=speed,
    )


def _learning(manifest: Manifest) -> LearningFields | None:
    training = manifest.training
    if training is None:
        return None
    return LearningFields(
        graph=training.graph,
        parameters=manifest.parameters,
        backbone=training.backbone,
        loss=training.loss,
        optimiser=training.optimiser,
        learning_rate=training.learning_rate,
        normalisation=training.normalisation,
        is_class_count_free=training.head is not None,
        is_int8_written=training.is_int8_written,
    )
