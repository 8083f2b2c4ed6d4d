"""JSON document of ``edgecnn export``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecnn_exporters.targets.onnx.placement import Placement
from edgecnn_runtime.manifest import TensorSpec
from edgecnn_runtime.measure.statistics import LatencyComparison
from edgecnn_runtime.parity.difference import Difference

if TYPE_CHECKING:
    from edgecnn.exporting.speed import Speed
    from edgecnn_exporters.export import Exported


@dataclass(frozen=True)
class SpeedFields:
    """int8 against fp32 on one thread of this machine.

    Attributes:
        comparison: int8 against fp32.
        int8_ms, fp32_ms: median latencies.
        placement: operator counts of the int8 graph as ONNX Runtime executes it.
        mixing: int8 as it is against all in 8 bits; null where no operator was left in float.
    """

    comparison: LatencyComparison
    int8_ms: float
    fp32_ms: float
    placement: Placement
    mixing: LatencyComparison | None


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
    speed: SpeedFields | None


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
        speed=None if speed is None else _speed(speed),
    )


def _speed(speed: Speed) -> SpeedFields:
    return SpeedFields(
        speed.comparison, speed.int8_ms, speed.fp32_ms, speed.placement, speed.mixing
    )
