"""Unlike ranges in one encoding: the parts that its steps would leave nothing of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import is_operator
from edgecnn_exporters.quantise.graph.rules import MOVES
from edgecnn_runtime.arrays import Float32

# Steps over a part's range below which it is lost: the rounding of five bits lies 30 dB below
# values that fill the range evenly, and some 20 dB below those that mostly keep to a corner of it.
LEAST_STEPS = 32


@dataclass(frozen=True)
class Gap:
    """What tells channels of two kinds from channels that merely differ.

    Attributes:
        factor: between the ranges of one kind and those of the other.
        blocks: how many, at most, the channels of either kind make as they lie side by side.
    """

    factor: float
    blocks: int


# Of a layer, which would have to stay float: boxes before scores, not a class that never appears.
LAYER_GAP = Gap(8.0, 2)
# Behind the last layer, where float costs next to nothing: boxes, one objectness, classes.
TAIL_GAP = Gap(2.0, 3)
_FORWARD = (*MOVES, "Gather")
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


def kinds(name: str, axis: int, low: Float32, high: Float32, gap: Gap) -> list[Part]:
    """The indices of an axis in two kinds, told by their ranges; none where all are alike."""
    spans = (high - low).astype(np.float64)
    order = [int(index) for index in np.argsort(spans) if spans[index] > 0]
    ratios = [spans[after] / spans[before] for before, after in pairwise(order)]
    if not ratios or max(ratios) < gap.factor:
        return []
    place = 1 + int(np.argmax(ratios))
    narrow, wide = sorted(order[:place]), sorted(order[place:])
    is_narrow = [index in set(narrow) for index in sorted(order)]
    if 1 + sum(a != b for a, b in pairwise(is_narrow)) > gap.blocks:
        return []
    return [
        Part(
            f"{len(group)} of {len(low)} along axis {axis} of {name}",
            float(low[group].min()),
            float(high[group].max()),
        )
        for group in (narrow, wide)
    ]


def cut_from(values: list[ir.Value]) -> Iterator[ir.Value]:
    """The values that Slice, Split and Gather cut from these, behind moves too."""
    pending, seen = list(values), set(values)
    while pending:
        for use in pending.pop().uses():
            if use.idx != 0 or not is_operator(use.node, *_FORWARD):
                continue
            for output in use.node.outputs:
                if output not in seen:
                    seen.add(output)
                    pending.append(output)
                    if is_operator(use.node, *_CUTS):
                        yield output
