"""Activation distributions propagated from batch normalisation alone, without a sample.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction",
section 5: a batch-normalised channel has mean beta and deviation gamma, and lies within six
deviations. The rest of the network follows from there, channel by channel: draws of each go
through every activation, and through sums as if positions and channels were independent.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.errors import CalibrationFailed
from edgecnn_exporters.passes.graph import constant, extent, is_operator, is_set, rank
from edgecnn_exporters.passes.moments import Moments, noted
from edgecnn_exporters.quantise.graph.rules import RULES, Role
from edgecnn_runtime.arrays import Array, Float64
from edgecnn_runtime.encoding import Range

# Of each channel: values as likely as one another, and values from its least to its greatest.
DRAWS = 256
GRID = 33
WIDTH = 6.0  # deviations to either side
# An image's mean is that of so many independent places: neighbours are alike.
PLACES = 4
QUANTILES = np.array([NormalDist().inv_cdf((i + 0.5) / DRAWS) for i in range(DRAWS)])


@dataclass(frozen=True)
class Channels:
    """The distribution of each channel of a value; one for all where they do not differ.

    Attributes:
        draws: (DRAWS, C).
        grid: (GRID, C); its least and greatest are the channel's.
        root: name of the value that it is a function of: two of one root vary together.
    """

    draws: Float64
    grid: Float64
    root: str

    @property
    def low(self) -> Float64:
        """(C,), the least of each channel."""
        least: Float64 = self.grid.min(axis=0)
        return least

    @property
    def high(self) -> Float64:
        """(C,), the greatest of each channel."""
        greatest: Float64 = self.grid.max(axis=0)
        return greatest

    @property
    def mean(self) -> Float64:
        """(C,), the mean of each channel."""
        means: Float64 = self.draws.mean(axis=0)
        return means


def propagate(graph: ir.Graph, inputs: Range) -> dict[str, Channels]:
    """The channels of every value of a float graph, by its name.

    Args:
        inputs: of the network's input.

    Raises:
        CalibrationFailed: the graph has no statistics of batch normalisation, or they do not
            determine a value.
    """
    if not any(noted(output) for node in graph for output in node.outputs):
        raise CalibrationFailed(
            "no batch normalisation determines the ranges: the network has none, or it was folded "
            "before the file was written; calibrate with samples, --calibrate FOLDER"
        )
    channels = {str(value.name): _uniform(str(value.name), inputs) for value in graph.inputs}
    for node in graph:
        channels |= {
            str(output.name): _from_batch_norm(output) or computed
            for output, computed in zip(node.outputs, _compute(node, channels), strict=True)
        }
    return channels


def _from_batch_norm(value: ir.Value) -> Channels | None:
    """The channels that a batch normalisation behind the value determines."""
    moments = noted(value)
    return None if moments is None else _normal(str(value.name), moments)


def _normal(name: str, moments: Moments) -> Channels:
    """Normal channels: the same draws in an order of its own for each."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    orders = random.permuted(np.tile(QUANTILES[:, None], len(moments.mean)), axis=0)
    width = WIDTH * np.linspace(-1, 1, GRID)[:, None]
    return Channels(
        moments.mean + orders * moments.deviation, moments.mean + width * moments.deviation, name
    )


def _uniform(name: str, interval: Range) -> Channels:
    """One uniform distribution for all channels."""
    draws = np.linspace(interval.low, interval.high, DRAWS)
    np.random.default_rng(zlib.crc32(name.encode())).shuffle(draws)
    return Channels(draws[:, None], np.linspace(interval.low, interval.high, GRID)[:, None], name)


def _compute(node: ir.Node, known: Mapping[str, Channels]) -> Iterator[Channels]:
    rule = RULES.get(node.op_type)
    role = rule.role if rule is not None else None
    sources = [known[str(v.name)] for v in node.inputs if v is not None and str(v.name) in known]
    name = str(node.outputs[0].name)
    if role is Role.PRODUCT:
        yield _normal(name, _sum(node, sources[0]))
    elif role is Role.SAME:
        yield from (_moved(node, output, sources) for output in node.outputs)
    elif is_operator(node, "GlobalAveragePool"):
        yield _averaged(name, sources[0])
    else:
        yield _applied(node, name, known)


def _sum(node: ir.Node, source: Channels) -> Moments:
    """Mean and deviation of what a product adds up, of independent terms."""
    weight, bias = constant(node.inputs[1]), None
    if len(node.inputs) > 2:
        bias = constant(node.inputs[2])
    assert weight is not None
    terms = by_output(node, weight.astype(np.float64))
    outputs, inputs = terms.shape[:2]
    groups = node.attributes.get_int("group", 1)
    spread = np.broadcast_to(source.draws, (DRAWS, inputs * groups))
    mean, variance = (
        np.repeat(each.reshape(groups, inputs), outputs // groups, axis=0)
        for each in (spread.mean(axis=0), spread.var(axis=0))
    )
    met = np.einsum("oik,oi->ok", terms, mean)
    share = elements_met(node)
    variances = share * np.einsum("oik,oi->o", np.square(terms), variance)
    if share < 1:
        # Places of other phases meet other kernel elements, and differ by these.
        variances += share * np.square(met - met.mean(axis=1, keepdims=True)).sum(axis=1)
    means = share * met.sum(axis=1) + (0 if bias is None else bias)
    return Moments(means, np.sqrt(variances))


def elements_met(node: ir.Node) -> float:
    """The share of a kernel that one output meets: a ConvTranspose's steps lie between."""
    if not is_operator(node, "ConvTranspose"):
        return 1.0
    return 1 / float(np.prod(node.attributes.get_ints("strides", [1, 1])))


def by_output(node: ir.Node, weight: Array) -> Float64:
    """A product's weight as (out, in / group, kernel)."""
    if is_operator(node, "Gemm") and not is_set(node, "transB"):
        weight = weight.T
    if is_operator(node, "ConvTranspose"):
        groups = node.attributes.get_int("group", 1)
        apart = weight.reshape(groups, len(weight) // groups, *weight.shape[1:])
        weight = apart.swapaxes(1, 2).reshape(-1, apart.shape[1], *weight.shape[2:])
    return weight.reshape(*weight.shape[:2], -1).astype(np.float64)


def _moved(node: ir.Node, output: ir.Value, sources: list[Channels]) -> Channels:
    """Channels behind an operator that only moves values: kept, or mixed into one."""
    name = str(output.name)
    first = sources[0]
    channels = extent(output, 1)
    if is_operator(node, "Concat"):
        if node.attributes.get_int("axis", 1) == 1 and all(s.draws.shape[1] > 1 for s in sources):
            draws, grid = (
                np.concatenate([getattr(each, what) for each in sources], axis=1)
                for what in ("draws", "grid")
            )
            return Channels(draws, grid, name)
        return _mixed(name, sources)
    own = first.draws.shape[1]
    if own == 1 or (channels == own and not is_operator(node, "Transpose")):
        return first
    if rank(output) == 2 and channels is not None and channels % own == 0:
        # A Flatten puts the places of a channel side by side.
        draws, grid = (
            np.repeat(each, channels // own, axis=1) for each in (first.draws, first.grid)
        )
        return Channels(draws, grid, first.root)
    return _mixed(name, sources)


def _mixed(name: str, sources: list[Channels]) -> Channels:
    """One distribution for all channels of all sources."""
    values = np.sort(np.concatenate([each.draws.ravel() for each in sources]))
    draws = values[(np.arange(DRAWS) * len(values)) // DRAWS]
    np.random.default_rng(zlib.crc32(name.encode())).shuffle(draws)
    low, high = min(s.low.min() for s in sources), max(s.high.max() for s in sources)
    return Channels(draws[:, None], np.linspace(low, high, GRID)[:, None], name)


def _averaged(name: str, source: Channels) -> Channels:
    """Channels of a global average, over a few places in place of all: image means differ too."""
    draws = source.draws.reshape(PLACES, -1, source.draws.shape[1]).mean(axis=0)
    return _within(name, np.tile(draws, (PLACES, 1)), source.low, source.high)


def _within(name: str, draws: Float64, low: Float64, high: Float64) -> Channels:
    """Channels whose range ends at a bound or six deviations from the mean, whichever is nearer."""
    mean, width = draws.mean(axis=0), WIDTH * draws.std(axis=0)
    lowest = np.maximum(low, np.minimum(mean - width, draws.min(axis=0)))
    highest = np.minimum(high, np.maximum(mean + width, draws.max(axis=0)))
    return Channels(draws, np.linspace(lowest, highest, GRID), name)


def _applied(node: ir.Node, name: str, known: Mapping[str, Channels]) -> Channels:
    """Channels behind an elementwise operator, which is run on draws in place of places."""
    names = [str(value.name) for value in node.inputs if value is not None]
    sources = {each: known[each] for each in names if each in known}
    draws = _run(node, {each: source.draws for each, source in sources.items()})
    roots = {source.root for source in sources.values()}
    if len(roots) == 1:
        grid = _run(node, {each: source.grid for each, source in sources.items()})
        return Channels(draws, grid, roots.pop())
    ends = [
        _run(node, dict(zip(sources, corner, strict=True)))
        for corner in _corners(list(sources.values()))
    ]
    return _within(name, draws, np.min(ends, axis=(0, 1)), np.max(ends, axis=(0, 1)))


def _corners(sources: list[Channels]) -> Iterator[tuple[Float64, ...]]:
    """Every combination of the sources' bounds: (1, C) arrays."""
    for number in range(2 ** len(sources)):
        yield tuple(
            (source.high if number >> i & 1 else source.low)[None]
            for i, source in enumerate(sources)
        )


def _run(node: ir.Node, arrays: Mapping[str, Float64]) -> Float64:
    """The operator on (n, C) arrays that stand for (n, C, 1, 1) where its inputs have four axes."""
    from onnx.reference import ReferenceEvaluator

    feeds: dict[str, Any] = {}
    for value in node.inputs:
        if value is None:
            continue
        array = arrays.get(str(value.name))
        if array is None:
            feeds[str(value.name)] = constant(value)
            continue
        axes = (1,) * ((rank(value) or 2) - 2)
        feeds[str(value.name)] = array.astype(np.float32).reshape(*array.shape, *axes)
    count = max(len(array) for array in arrays.values())
    try:
        (outputs, *_) = ReferenceEvaluator(ir.to_proto(node)).run(None, feeds)
        return np.asarray(outputs, np.float64).reshape(count, -1)
    except Exception as error:  # the operator may reject (n, C, 1, 1)
        raise CalibrationFailed(
            f"batch normalisation does not determine what {node.op_type} {node.name} computes; "
            "calibrate with samples, --calibrate FOLDER"
        ) from error
