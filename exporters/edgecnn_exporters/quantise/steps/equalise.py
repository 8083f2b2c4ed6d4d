"""Cross-layer equalisation: no channel of a weight is much smaller than the others.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction",
section 4.1.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import is_operator, set_constant, sole_reader
from edgecnn_exporters.passes.moments import rescale_note
from edgecnn_exporters.quantise.graph.chains import (
    SPATIAL,
    SUMS,
    Pair,
    Refused,
    bias_of,
    by_channel,
    describe,
    measured,
    neighbours,
    spatial_obstacle,
    weight_of,
)
from edgecnn_exporters.quantise.graph.eligible import bounds, refusal
from edgecnn_runtime.arrays import Float32, Float64

HOMOGENEOUS = ("LeakyRelu", "PRelu", "Relu")
NOT_HOMOGENEOUS = (
    *("Celu", "Elu", "Gelu", "HardSigmoid", "HardSwish", "LRN", "Mish", "Selu", "Sigmoid"),
    *("Softmax", "Softplus", "Softsign", "Swish", "Tanh", "ThresholdedRelu"),
)
TOLERANCE = 1e-3  # of log s; below it the ranges are equal
SWEEPS = 20
# No channel is scaled by more: where one is all but dead, the bias, which is scaled with it, would
# outgrow every other activation.
LARGEST = 1e3
# How far below the bound of a clip a channel must stay: what was measured is not all there is. With
# a tenth, EfficientNet-Lite0 had 24 dB on the photographs that calibrated, and 10 on others.
MARGIN = 0.5


@dataclass(frozen=True)
class Equalised:
    """A pair of sums whose weights were scaled, by name.

    Attributes:
        channels: how many were scaled by more than the tolerance.
        ratio: the largest factor, up or down, by which one was.
    """

    first: str
    second: str
    values: tuple[str, ...]
    channels: int
    ratio: float


@dataclass(frozen=True)
class Equalisation:
    """Result of cross-layer equalisation, in the graph's order.

    Attributes:
        is_settled: whether all ranges are equal within the tolerance; else the sweeps ran out.
    """

    equalised: tuple[Equalised, ...]
    refused: tuple[Refused, ...]
    is_settled: bool


@dataclass(frozen=True)
class _Link:
    """A pair with the bounds of each channel's s: (C,) both, 1 and 1 where it is fixed."""

    pair: Pair
    lowest: Float64
    highest: Float64


@dataclass(frozen=True)
class _Scales:
    """Scales of every sum: input channels were multiplied by them, output channels divided."""

    incoming: dict[ir.Node, Float64]
    outgoing: dict[ir.Node, Float64]
    is_settled: bool


def equalise(
    model: ir.Model, peaks: Mapping[str, Float32] | None = None, fixed: Collection[str] = ()
) -> Equalisation:
    """Equalise the weight ranges of a Conv or Gemm and the next one, channel for channel.

    With ``r1`` the largest magnitude of the first weight's output channel and ``r2`` that of the
    second's input channel, ``s = sqrt(r1 / r2)`` divides the first weight and its bias and
    multiplies the second. The model computes the same, for what stands between is positively
    homogeneous, ``f(s x) = s f(x)``: nothing, Relu, LeakyRelu, PRelu, MaxPool, AveragePool,
    GlobalAveragePool, Flatten, and Pad unless with a constant other than zero. All pairs in turn,
    until no s is off by more than `TOLERANCE` or after `SWEEPS` (section 4.1.2).

    ReLU6 is homogeneous only below 6: a channel is scaled if it stays `MARGIN` below both as it is
    and scaled. A dead channel, of range 0 on either side, is not. In all, s stays between
    ``1 / LARGEST`` and ``LARGEST``. Left alone, with the reason: other activations, an output with
    a second reader or that leaves the graph, weights that are computed or read by a second node.

    Args:
        peaks: (C,), the largest value of each channel, by name of the output of a sum before
            ReLU6. They no longer hold afterwards: measure again.
        fixed: names of sums that are left alone.

    Raises:
        ValueError: a peak is not one number for each channel.
    """
    candidates = [_link(each, peaks or {}) for each in neighbours(model.graph, _obstacle, fixed)]
    links = [each for each in candidates if isinstance(each, _Link)]
    scales = _balance(links)
    for node in scales.incoming:
        _rewrite(model.graph, node, scales.incoming[node], scales.outgoing[node])
    return Equalisation(
        tuple(_report(link.pair, scales.outgoing[link.pair.first]) for link in links),
        tuple(each for each in candidates if isinstance(each, Refused)),
        scales.is_settled,
    )


def _obstacle(node: ir.Node) -> str | None:
    if is_operator(node, *HOMOGENEOUS):
        return None
    if is_operator(node, *SPATIAL):
        return spatial_obstacle(node)
    if is_operator(node, "Clip"):
        return refusal(node) or _clip_obstacle(node)
    if is_operator(node, *NOT_HOMOGENEOUS):
        return "it is not positively homogeneous"
    return "it is neither a homogeneous activation nor one that keeps channels as they are"


def _clip_obstacle(clip: ir.Node) -> str | None:
    limits = bounds(clip)
    if not limits.low == 0 < limits.high:
        return f"it clips to {limits.low:g} … {limits.high:g}, not from zero upwards"
    before = clip.inputs[0].producer() if clip.inputs[0] is not None else None
    # Peaks are known of what the sum computes.
    is_direct = before is not None and is_operator(before, *SUMS)
    return None if is_direct or not _has_ceiling(clip) else "it does not directly follow the sum"


def _has_ceiling(clip: ir.Node) -> bool:
    return bounds(clip).high < float(np.finfo(np.float32).max)


def _link(pair: Pair | Refused, peaks: Mapping[str, Float32]) -> _Link | Refused:
    if isinstance(pair, Refused):
        return pair
    name = str(pair.first.name)
    for node in (pair.first, pair.second):
        weight = node.inputs[1]
        if weight is not None and sole_reader(weight) is not node:
            return Refused(name, f"the weight of {describe(node)} has a second reader")
    channels = len(weight_of(pair.first))
    lowest, highest = np.full(channels, 1 / LARGEST), np.full(channels, LARGEST)
    clip = next((node for node in pair.between if is_operator(node, "Clip")), None)
    if clip is None or not _has_ceiling(clip):
        return _Link(pair, lowest, highest)
    peak = measured(peaks, pair)
    value, ceiling = pair.first.outputs[0].name, bounds(clip).high
    if peak is None:
        return Refused(name, f"{describe(clip)}: no peaks of {value} tell what stays below it")
    limit = ceiling * (1 - MARGIN)
    if not (peak < limit).any():
        return Refused(name, f"{describe(clip)}: every channel reaches {limit:g} of {ceiling:g}")
    lowest = np.maximum(lowest, np.minimum(peak / limit, 1.0))
    return _Link(pair, lowest, np.where(peak < limit, highest, 1.0))


def _balance(links: Sequence[_Link]) -> _Scales:
    """The scales of all pairs at which no pair would change its own.

    At the best s of one pair, ``s² = r1 / r2`` with the ranges that its own s does not touch.
    """
    inputs = {link.pair.second: len(link.lowest) for link in links}
    nodes = dict.fromkeys(node for link in links for node in (link.pair.first, link.pair.second))
    magnitudes = {node: _magnitudes(node, inputs.get(node)) for node in nodes}
    incoming = {node: np.ones((len(m), 1, m.shape[2])) for node, m in magnitudes.items()}
    outgoing = {node: np.ones((*m.shape[:2], 1)) for node, m in magnitudes.items()}
    largest = 0.0
    for _ in range(SWEEPS):
        largest = 0.0
        for link in links:
            first, second = link.pair.first, link.pair.second
            r1 = (magnitudes[first] * incoming[first]).max(axis=2).ravel()
            r2 = (magnitudes[second] / outgoing[second]).max(axis=1).ravel()
            is_alive = (r1 > 0) & (r2 > 0)
            root = np.sqrt(np.divide(r1, r2, out=np.ones_like(r1), where=is_alive))
            scale = np.clip(root, link.lowest, link.highest)
            change = np.abs(np.log(scale / outgoing[first].ravel()))
            largest = max(largest, float(change.max()))
            outgoing[first] = scale.reshape(outgoing[first].shape)
            incoming[second] = scale.reshape(incoming[second].shape)
        if largest < TOLERANCE:
            break
    return _Scales(incoming, outgoing, largest < TOLERANCE)


def _magnitudes(node: ir.Node, channels: int | None) -> Float64:
    """The largest of each kernel: (groups, out / groups, in / groups)."""
    own = weight_of(node).shape[1] * node.attributes.get_int("group", 1)
    weight = by_channel(node, own if channels is None else channels)
    magnitudes: Float64 = np.abs(weight).max(axis=3).astype(np.float64)
    return magnitudes


def _rewrite(graph: ir.Graph, node: ir.Node, incoming: Float64, outgoing: Float64) -> None:
    weight, bias = weight_of(node), bias_of(node)
    rescale_note(node.outputs[0], 1 / outgoing.ravel())
    # In float64, and rounded once.
    scale = (incoming / outgoing)[..., None]
    scaled = by_channel(node, incoming.size) * scale
    rounded = scaled.reshape(weight.shape).astype(weight.dtype)
    set_constant(graph, node, 1, rounded, f"{node.name}.weight")
    if bias is not None:
        divided = (bias / outgoing.ravel()).astype(bias.dtype)
        set_constant(graph, node, 2, divided, f"{node.name}.bias")


def _report(pair: Pair, scale: Float64) -> Equalised:
    change = np.abs(np.log(scale))
    return Equalised(
        str(pair.first.name),
        str(pair.second.name),
        pair.values,
        int((change > TOLERANCE).sum()),
        float(np.exp(change.max())),
    )
