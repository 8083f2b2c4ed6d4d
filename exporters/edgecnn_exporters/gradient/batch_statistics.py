"""Batch normalisation by the statistics of the batch.

A BatchNormalization in training mode computes them in one pass more than the normalisation itself;
ONNX Runtime's ordinary builds for CPUs have it (seen in 1.20 and 1.32): 0.4 ms for 16 channels on
32×32 at batch 32, where ReduceMean, Sub, Mul, ReduceMean and a normalisation take 0.8 ms (least of
30, one core with AVX-512), to the same digits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.composite import Composite, take_place
from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.rule import cannot_learn
from edgecnn_exporters.passes.graph import constant, is_operator
from edgecnn_runtime.training import NEXT


@dataclass(frozen=True)
class BatchNorms:
    """Batch normalisations of a graph that take the statistics of each batch.

    Attributes:
        composites: one a normalisation.
        next: the running mean or variance after the step, by the one before it.
    """

    composites: tuple[Composite, ...]
    next: Mapping[ir.Value, ir.Value]


def use_batch_statistics(
    graph: ir.Graph, active: Collection[ir.Value], emit: Emitter
) -> BatchNorms:
    """Every BatchNormalization behind the first learnt layer normalises by the batch.

    Those before it stay as they are: nothing that they read changes.

    Args:
        active: the parameters, and all values that change with them.

    Raises:
        UnsupportedModel: statistics are computed, or the number of channels is not known.
    """
    following: dict[ir.Value, ir.Value] = {}
    composites, counts = [], _Counts()
    for node in list(graph):
        if is_operator(node, "BatchNormalization") and any(v in active for v in node.inputs):
            norm = _norm(node)
            emit.within(str(node.name), before=node)
            composites.append(_lower(graph, norm, emit, counts, following))
    emit.within("learn")
    for old, new in following.items():
        new.name = emit.free(f"{old.name}{NEXT}")
    return BatchNorms(tuple(composites), following)


@dataclass(frozen=True)
class _Norm:
    """A BatchNormalization: x (N, C, …), the rest (C,).

    Attributes:
        channels: C.
        momentum: share of the old running value, as ONNX has it; PyTorch's is 1 - momentum.
    """

    node: ir.Node
    x: ir.Value
    gamma: ir.Value
    beta: ir.Value
    mean: ir.Value
    variance: ir.Value
    epsilon: float
    momentum: float
    axes: tuple[int, ...]
    channels: int

    @property
    def by_channel(self) -> list[int]:
        """Shape (1, C, 1, …) of what broadcasts over x."""
        return [1, -1, *[1] * (len(self.axes) - 1)]


def _norm(node: ir.Node) -> _Norm:
    x, gamma, beta, mean, variance = node.inputs
    assert x is not None
    assert gamma is not None
    assert beta is not None
    if mean is None or variance is None or constant(mean) is None or constant(variance) is None:
        raise cannot_learn(node, "its running statistics are computed")
    if x.shape is None or not isinstance(x.shape[1], int):
        raise cannot_learn(node, f"the shape of {x.name} is unknown")
    return _Norm(
        node,
        x,
        gamma,
        beta,
        mean,
        variance,
        node.attributes.get_float("epsilon", 1e-5),
        node.attributes.get_float("momentum", 0.9),
        (0, *range(2, len(x.shape))),
        x.shape[1],
    )


@dataclass(frozen=True)
class _Forward:
    """Values of the forward pass that the gradient reads, (C,) each.

    Attributes:
        mean: of the batch.
        steepness: 1 / sqrt(variance + epsilon).
        scale: gamma * steepness.
        count: values of a channel, float32 ().
    """

    mean: ir.Value
    steepness: ir.Value
    scale: ir.Value
    count: ir.Value


def _lower(
    graph: ir.Graph,
    norm: _Norm,
    emit: Emitter,
    counts: _Counts,
    following: dict[ir.Value, ir.Value],
) -> Composite:
    """Ioffe and Szegedy 2015, algorithm 1: ``y = gamma (x - mean) / sqrt(variance + eps) + beta``.

    The variance is that of all values (biased); the running one is of a sample (unbiased), as in
    PyTorch: ONNX's own would be biased. With momentum 0 the operator gives the batch's own.
    """
    first = len(emit.written)
    count = counts.of(emit, norm)
    # ONNX Runtime writes the two statistics into the memory of these inputs, whoever else reads
    # them: it gets values that nobody else has, and that momentum 0 multiplies by zero.
    spare = [emit("Neg", following.get(old, old)) for old in (norm.mean, norm.variance)]
    output, mean, variance = emit.many(
        "BatchNormalization",
        3,
        norm.x,
        norm.gamma,
        norm.beta,
        *spare,
        epsilon=norm.epsilon,
        momentum=0.0,
        training_mode=1,
    )
    normalising = emit.written[-1]
    _run_on(emit, norm, following, mean, variance, count)
    steepness = emit("Reciprocal", emit("Sqrt", emit("Add", variance, norm.epsilon)))
    forward = _Forward(mean, steepness, emit("Mul", steepness, norm.gamma), count.values)
    take_place(graph, norm.node, output)

    def rule(gradient: ir.Value, wanted: frozenset[int]) -> Mapping[int, ir.Value]:
        return _gradient(emit, norm, forward, gradient, wanted)

    nodes = (*(node for node in emit.written[first:] if node is not normalising), normalising)
    return Composite("BatchNormalization", nodes, (norm.x, norm.gamma, norm.beta), output, rule)


def _gradient(
    emit: Emitter, norm: _Norm, forward: _Forward, dy: ir.Value, wanted: frozenset[int]
) -> Mapping[int, ir.Value]:
    """Gradient of the composite; Ioffe and Szegedy 2015, section 3.

    With z = (x - mean) * steepness and means over the batch and pixels:
    ``dbeta = sum of dy``, ``dgamma = sum of dy z``,
    ``dx = gamma steepness (dy - mean of dy - z mean of (dy z))``. An affine function of channels is
    a BatchNormalization with other numbers: one pass where Mul and Add make two.
    """
    axes = list(norm.axes)
    # Not dy x less the product of the means, which would lose digits.
    centred = emit("Sub", norm.x, emit("Reshape", forward.mean, norm.by_channel))
    total = emit("ReduceSum", dy, axes, keepdims=0)
    along = emit("ReduceSum", emit("Mul", dy, centred), axes, keepdims=0)
    on_scale = emit("Mul", along, forward.steepness)
    result = {1: on_scale, 2: total}
    if 0 in wanted:
        share = emit("Div", emit("Mul", on_scale, forward.steepness), forward.count)
        mean = emit("Neg", emit("Div", total, forward.count))
        projected = _affine(emit, norm, centred, emit("Neg", share), mean)
        factor = emit("Reshape", forward.scale, norm.by_channel)
        result[0] = emit("Mul", emit("Add", dy, projected), factor)
    return result


def _affine(emit: Emitter, norm: _Norm, x: ir.Value, scale: ir.Value, shift: ir.Value) -> ir.Value:
    """``scale x + shift`` by channels, (C,) each."""
    zeros, ones = (np.full(norm.channels, number, np.float32) for number in (0.0, 1.0))
    return emit("BatchNormalization", x, scale, shift, zeros, ones, epsilon=0.0)


@dataclass(frozen=True)
class _Count:
    """Number of values of a channel in a batch, float32 ().

    Attributes:
        values: the number n itself.
        sample: n / (n - 1).
    """

    values: ir.Value
    sample: ir.Value


class _Counts:
    """Counts of a graph's normalisations: one for all that have as many pixels."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, int], _Count] = {}

    def of(self, emit: Emitter, norm: _Norm) -> _Count:
        """The count of a normalisation; its nodes are before the first that has it."""
        assert norm.x.shape is not None
        pixels = [norm.x.shape[axis] for axis in norm.axes[1:]]
        fixed = [size for size in pixels if isinstance(size, int)]
        if len(fixed) < len(pixels):
            raise cannot_learn(norm.node, f"the size of {norm.x.name} is not fixed")
        key = (norm.x.shape[0], prod(fixed))
        if key not in self._known:
            self._known[key] = _counted(emit, norm.x, prod(fixed))
        return self._known[key]


def _counted(emit: Emitter, x: ir.Value, pixels: int) -> _Count:
    batch = emit("Cast", emit("Shape", x, start=0, end=1), to=int(ir.DataType.FLOAT))
    values = emit("Mul", emit("Squeeze", batch, [0]), float(pixels))
    # A batch of one value has no variance of a sample; a step with one is refused before.
    sample = emit("Div", values, emit("Max", emit("Sub", values, 1.0), 1.0))
    return _Count(values, sample)


def _run_on(
    emit: Emitter,
    norm: _Norm,
    following: dict[ir.Value, ir.Value],
    mean: ir.Value,
    variance: ir.Value,
    count: _Count,
) -> None:
    """The running statistics after the step: ``momentum old + (1 - momentum) batch``.

    Two normalisations that share them, as a module that is called twice, change them in turn.
    """
    for old, batch in ((norm.mean, mean), (norm.variance, emit("Mul", variance, count.sample))):
        fresh = emit("Mul", batch, 1 - norm.momentum)
        kept = emit("Mul", following.get(old, old), norm.momentum)
        following[old] = emit("Add", kept, fresh)
