"""Stages of an export, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn_exporters.capture.torch_export import Attempt
from edgecnn_exporters.targets import Translated
from edgecnn_runtime.manifest import Manifest
from edgecnn_runtime.parity.difference import Difference

if TYPE_CHECKING:
    from edgecnn_exporters.passes.rewrite import LeftAlone
    from edgecnn_exporters.quantise.ladder import Quantised

STAGES = (
    "run the original",
    "capture",
    "optimise",
    "verify",
    "quantise",
    "judge",
    "translate",
    "learn",
    "package",
)


@dataclass(frozen=True)
class Exported:
    """Result of an export: the bundle, the difference, the quantised network, the targets.

    Attributes:
        difference: of the packaged model against the original, over all batches.
        passes: names of the graph passes that changed the model.
        operators: count of each operator in the packaged model.
        quantised: the 8-bit network, where it was requested.
        translated: the artefacts in other formats than ONNX.
        left_alone: the nodes that a graph pass, or a rewrite before quantising, refused.
        warnings: outputs whose answers prove little, in words.
        notes: what of the network was changed for its export, for the user.
    """

    path: Path
    size_bytes: int
    manifest: Manifest
    attempts: tuple[Attempt, ...]
    difference: Difference
    passes: tuple[str, ...]
    operators: Mapping[str, int]
    quantised: Quantised | None = None
    translated: tuple[Translated, ...] = ()
    left_alone: tuple[LeftAlone, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
