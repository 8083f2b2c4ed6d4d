"""Summary of a network: depth, width, parameters, MACs, memory, receptive field."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from edgecnn.zoo.analysis.layers import is_weighted
from edgecnn.zoo.analysis.memory import live_bytes
from edgecnn.zoo.analysis.receptive_field import OF_INPUT, ReceptiveFields, locate
from edgecnn.zoo.analysis.smallest_input import explain_failure
from edgecnn.zoo.analysis.stages import ResolutionStage, divide
from edgecnn.zoo.analysis.tracing import trace
from edgecnn_runtime.errors import EdgeCNNError


@dataclass(frozen=True)
class Summary:
    """Figures of one network at one input size, in evaluation mode.

    Attributes:
        input: (channels, height, width).
        depth: weighted layers (convolutions, fully connected) on the longest path from input to
            output; a squeeze-excite gate is beside the path.
        layers: all weighted layers that run.
        width: channels of the widest feature map.
        parameters: trainable numbers that the evaluation reads; a tensor read twice counts once.
        macs: multiply-accumulates of one inference, of convolutions and fully connected layers.
        peak_activation_bytes: fp32, batch 1, operator by operator; see `memory.live_bytes`.
        receptive_field: pixels along the longer side that a feature of the last map sees, before
            global pooling or flattening; it may be more than the image has.
        stride: pixels of the input between two neighbouring features of that map.
        is_gated: whether squeeze-excite or the like shows features the whole image besides.
        stages: in the order of the data flow.
        growth: receptive field in pixels after 0, 1, 2, … weighted layers of the deepest path.
    """

    input: tuple[int, int, int]
    depth: int
    layers: int
    width: int
    parameters: int
    macs: int
    peak_activation_bytes: int
    receptive_field: int
    stride: int
    is_gated: bool
    stages: tuple[ResolutionStage, ...]
    growth: tuple[int, ...]


def summarise(network: nn.Module, shape: tuple[int, int, int]) -> Summary:
    """Count a network's layers along its real data flow; nothing is computed.

    Args:
        network: built anywhere; on PyTorch's meta device it costs no memory.
        shape: (channels, height, width) of the input.

    Raises:
        EdgeCNNError: the network does not run on that input; names the least one that it runs on.
    """
    try:
        traced = trace(network, shape)
    except EdgeCNNError as error:
        raise EdgeCNNError(explain_failure(network, shape, str(error))) from error
    weighted = [is_weighted(operation) for operation in traced.operations]
    fields = locate(traced, weighted)
    stages = divide(traced, fields, live_bytes(traced))
    mapped = [stage for stage in stages if stage.place is not None]
    places = [stage.place for stage in mapped if stage.place is not None] or [OF_INPUT]
    return Summary(
        input=shape,
        depth=max(fields.depths[value] for value in traced.outputs),
        layers=sum(weighted),
        width=max(stage.width for stage in mapped or stages),
        parameters=sum(stage.parameters for stage in stages),
        macs=sum(stage.macs for stage in stages),
        peak_activation_bytes=max(stage.peak_bytes for stage in stages),
        receptive_field=math.ceil(places[-1].size),
        stride=math.ceil(max(places[-1].strides)),
        is_gated=any(place.is_gated for place in fields.places if place is not None),
        stages=stages,
        growth=_growth(fields),
    )


def _growth(fields: ReceptiveFields) -> tuple[int, ...]:
    """The largest receptive field after each number of layers; it never shrinks."""
    reached = [1] * (max(fields.depths) + 1)
    for place, depth in zip(fields.places, fields.depths, strict=True):
        if place is not None:
            reached[depth] = max(reached[depth], math.ceil(place.size))
    last = max(d for d, place in zip(fields.depths, fields.places, strict=True) if place)
    return tuple(max(reached[: depth + 1]) for depth in range(last + 1))
