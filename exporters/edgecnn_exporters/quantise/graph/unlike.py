"""Unlike ranges in one encoding: the parts that its steps would leave nothing of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import is_operator
from edgecnn_runtime.arrays import Float32

# Steps over a part's range below which it is lost: of five bits, rounding leaves a noise 26 dB
# below values that fill the range evenly, of four 20.
LEAST_STEPS = 32
# Channels whose ranges, sorted, follow one another within this factor are of one kind. Where the
# layer itself would have to stay float, only another unit explains the gap between two kinds.
LAYER_GAP = 8.0
# Behind the last layer, float costs next to nothing.
TAIL_GAP = 2.0
MOVES = (
    "DepthToSpace",
    "Flatten",
    "Gather",
    "Identity",
    "Reshape",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
)
_CUTS = ("Gather", "Slice", "Split")


@dataclass(frozen=True)
class Part:
    """A part of what one encoding holds: a value, or channels of it, with its range."""

    name: str
    low: float
    high: float

    @property
    def span(self) -> float:
        """How far its values lie apart."""
        return self.high - self.low

    def __str__(self) -> str:
        return f"{self.low:.3g} … {self.high:.3g} ({self.name})"


@dataclass(frozen=True)
class Loss:
    """A part that a step is too coarse for, and the part that needs the coarse step."""

    lost: Part
    beside: Part
    step: float

    @property
    def steps(self) -> float:
        """Steps over the range of the lost part."""
        return self.lost.span / self.step


def find_loss(parts: list[Part], step: float) -> Loss | None:
    """The part that keeps the fewest steps; None where all of them keep enough.

    A part of one value alone is left out: nothing varies in it.
    """
    varying = [part for part in parts if part.span > 0]
    if len(varying) < 2:
        return None
    lost, widest = (pick(varying, key=lambda part: part.span) for pick in (min, max))
    loss = Loss(lost, widest, step)
    return loss if loss.steps < LEAST_STEPS else None


def kinds(name: str, axis: int, low: Float32, high: Float32, gap: float) -> list[Part]:
    """The indices of an axis in groups of like ranges; none where all are alike."""
    spans = (high - low).astype(np.float64)
    order = [int(index) for index in np.argsort(spans) if spans[index] > 0]
    cuts = [
        place
        for place in range(1, len(order))
        if spans[order[place]] >= gap * spans[order[place - 1]]
    ]
    if not cuts:
        return []
    groups = [order[a:b] for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    return [
        Part(
            f"{len(group)} of {len(low)} along axis {axis} of {name}",
            float(low[group].min()),
            float(high[group].max()),
        )
        for group in groups
    ]


def cut_from(values: list[ir.Value]) -> Iterator[ir.Value]:
    """The values that Slice, Split and Gather cut from these, behind moves too."""
    pending, seen = list(values), set(values)
    while pending:
        for use in pending.pop().uses():
            if use.idx != 0 or not is_operator(use.node, *MOVES):
                continue
            for output in use.node.outputs:
                if output not in seen:
                    seen.add(output)
                    pending.append(output)
                    if is_operator(use.node, *_CUTS):
                        yield output
