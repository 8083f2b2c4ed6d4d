"""Network of a training artefact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import onnx_ir as ir

from edgecnn_runtime.arrays import Float32

if TYPE_CHECKING:
    from edgecnn_exporters.quantise.state import LadderState


@dataclass(frozen=True)
class LearnSource:
    """Network of a training artefact.

    Attributes:
        model: the canonical float graph, by which the float artefact was written.
        unfolded: the form of `canonicalise_for_training`; None: nothing of it is wanted.
        images: golden inputs, each of batch 1 or of the fixed batch.
        quantised: the 8-bit network; None where there is none.
        weight_bits: of its weights.
    """

    model: ir.Model
    images: list[Float32]
    unfolded: ir.Model | None = None
    quantised: LadderState | None = None
    weight_bits: int = 8
