"""JSON document of ``edgecnn export``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn.exporting.speed import Speed
from edgecnn_runtime.parity.difference import Difference
from edgecnn_runtime.tensor_spec import TensorSpec

if TYPE_CHECKING:
    from edgecnn_exporters.export import Exported


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
        speed=speed,
    )
