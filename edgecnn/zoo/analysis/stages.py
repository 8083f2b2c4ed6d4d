"""Stages of a network, divided where its resolution changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from edgecnn.zoo.analysis.layers import count_macs, is_weighted
from edgecnn.zoo.analysis.receptive_field import Place, ReceptiveFields
from edgecnn.zoo.analysis.tracing import Trace

HEAD = "head"


@dataclass(frozen=True)
class ResolutionStage:
    """The layers at one spatial resolution, or those after the last feature map.

    A layer belongs to the resolution that it makes. So the first 1×1 convolution of a strided
    bottleneck counts where it runs, one stage before the rest of its block.

    Attributes:
        name: "1", "2", … in the order of the data flow, or "head".
        module: path of the module that makes the stage's output.
        output: shape of the widest tensor that leaves it, without the batch.
        layers: convolutions and fully connected layers.
        width: channels of its widest feature map; outputs of the widest layer in the head.
        parameters: trainable numbers that it is the first to read.
        macs: multiply-accumulates of one inference.
        peak_bytes: most activations alive at once while it runs, see `memory.live_bytes`.
        place: of the features that see most; None in the head, which sees the whole image.
    """

    name: str
    module: str
    output: tuple[int, ...]
    layers: int
    width: int
    parameters: int
    macs: int
    peak_bytes: int
    place: Place | None


def divide(
    trace: Trace, fields: ReceptiveFields, live: Sequence[int]
) -> tuple[ResolutionStage, ...]:
    """The stages in the order of the data flow.

    Args:
        live: bytes of activations while each operation runs.
    """
    numbers = _number(trace, fields)
    stages: list[ResolutionStage] = []
    for number in sorted(set(numbers)):
        own = frozenset(index for index, other in enumerate(numbers) if other == number)
        stages.append(_stage(trace, fields, live, own, str(len(stages) + 1)))
    return tuple(stages)


def _stage(
    trace: Trace, fields: ReceptiveFields, live: Sequence[int], own: frozenset[int], name: str
) -> ResolutionStage:
    operations = [trace.operations[index] for index in sorted(own)]
    maker = {value: operation for operation in operations for value in operation.outputs}
    places = [place for value in maker if (place := fields.places[value]) is not None]
    # A gate's few numbers are no output of a stage that has maps.
    kept = [value for value in maker if not places or fields.places[value] is not None]
    read_elsewhere = {
        value
        for index, operation in enumerate(trace.operations)
        if index not in own
        for value in operation.inputs
    }
    leaving = [value for value in kept if value in read_elsewhere or value in trace.outputs]
    output = max(leaving or kept, key=lambda value: (trace.values[value].shape[1:2], value))
    wide = [] if places else [value for value in kept if is_weighted(maker[value])]
    return ResolutionStage(
        name=name if places else HEAD,
        module=maker[output].module,
        output=trace.values[output].shape[1:],
        layers=sum(map(is_weighted, operations)),
        width=max(max(trace.values[value].shape[1:2], default=1) for value in wide or kept),
        parameters=sum(operation.parameters for operation in operations),
        macs=sum(count_macs(trace, operation) for operation in operations),
        peak_bytes=max(live[index] for index in own),
        # The last of those that see most: a gate may have come before it.
        place=max(reversed(places), key=lambda place: place.size, default=None),
    )


def _number(trace: Trace, fields: ReceptiveFields) -> list[int]:
    """The stage of each operation: that of what it reads, or the next if it changes the stride.

    A decoder that comes back to a stride starts a stage of its own; parallel branches that reach
    the same stride from one stage share the next. What no feature map follows is the head.
    """
    stage_of = [0] * len(trace.values)
    stride_of = {0: (Fraction(1), Fraction(1))}
    after: dict[tuple[int, tuple[Fraction, Fraction]], int] = {}
    numbers = []
    for operation in trace.operations:
        number = max(stage_of[value] for value in operation.inputs)
        places = [place for value in operation.outputs if (place := fields.places[value])]
        if places and places[0].strides != stride_of[number]:
            number = after.setdefault((number, places[0].strides), len(stride_of))
            stride_of[number] = places[0].strides
        for value in operation.outputs:
            stage_of[value] = number
        numbers.append(number)
    leads_to_map = [place is not None for place in fields.places]
    for index in reversed(range(len(numbers))):
        operation = trace.operations[index]
        if any(leads_to_map[value] for value in operation.outputs):
            for value in operation.inputs:
                leads_to_map[value] = True
        else:
            numbers[index] = len(stride_of)
    # What prepares the image, a padding say, belongs to the layer that it prepares it for.
    first = next((index for index, each in enumerate(trace.operations) if is_weighted(each)), 0)
    return [numbers[first]] * first + numbers[first:]
