"""Places to cut a forward pass into segments that the backward pass computes again."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from edgecnn_exporters.gradient.forward_values import ForwardValues

MOST_SEGMENTS = 16


@dataclass(frozen=True)
class Cuts:
    """Cuts of a forward pass, and what the backward pass holds with them.

    Attributes:
        places: numbers of nodes, rising; each begins a segment. None: nothing is computed again.
        estimate: bytes of activations at the peak: those kept and the largest segment.
    """

    places: tuple[int, ...]
    estimate: int


def cuts_of(forward: ForwardValues) -> tuple[Cuts, ...]:
    """Cuts into more and more segments, each with a lower estimate than all before.

    The first has none.
    """
    crossing = _crossing(forward)
    upto = [0, *accumulate(_own(forward))]
    places = _valleys(crossing)
    found = [Cuts((), forward.total)]
    for count in range(2, MOST_SEGMENTS + 1):
        for slack in (1.0, 1.25, 1.5):
            limit = int(slack * forward.total / count)
            cuts = _cheapest(places, crossing, upto, limit)
            if cuts is not None and cuts.estimate < found[-1].estimate:
                found.append(cuts)
    return tuple(found)


def _own(forward: ForwardValues) -> list[int]:
    """Bytes that the backward pass reads of each node's outputs."""
    needed = {value for value in forward.needed if not forward.is_small(value)}
    return [sum(forward.size(v) for v in node.outputs if v in needed) for node in forward.nodes]


def _crossing(forward: ForwardValues) -> list[int]:
    """Bytes of activations that are kept by a cut before each node, and behind the last."""
    places = {node: place for place, node in enumerate(forward.nodes)}
    change = [0] * (len(forward.nodes) + 2)
    for place, node in enumerate(forward.nodes):
        for value in node.outputs:
            if value not in forward.active or forward.is_small(value):
                continue
            last = max((places.get(use.node, 0) for use in value.uses()), default=0)
            if last > place:
                change[place + 1] += forward.size(value)
                change[last + 1] -= forward.size(value)
    return list(accumulate(change))[:-1]


def _valleys(crossing: list[int]) -> list[int]:
    """Places where fewer bytes cross than at the next, and no more than before."""
    return [
        place
        for place in range(1, len(crossing) - 1)
        if 0 < crossing[place] <= crossing[place - 1] and crossing[place] <= crossing[place + 1]
    ]


def _cheapest(places: list[int], crossing: list[int], upto: list[int], limit: int) -> Cuts | None:
    """Cuts with the fewest bytes kept, no segment larger than a limit; None where there are none.

    A shortest path over the places.
    """
    end = len(upto) - 1
    best: dict[int, tuple[int, tuple[int, ...]]] = {0: (0, ())}
    for place in (*places, end):
        ways = [
            (cost + (crossing[place] if place < end else 0), cuts)
            for before, (cost, cuts) in best.items()
            if upto[place] - upto[before] <= limit
        ]
        if ways:
            cost, cuts = min(ways, key=lambda way: way[0])
            best[place] = (cost, (*cuts, place))
    if end not in best:
        return None
    cost, cuts = best[end]
    bounds = (0, *cuts)
    largest = max(upto[b] - upto[a] for a, b in zip(bounds, cuts, strict=False))
    return Cuts(cuts[:-1], cost + largest)
