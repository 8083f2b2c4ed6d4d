"""Bias correction: a layer's bias compensates the shift of its mean output by quantisation.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction",
section 4.2, in its empirical form (appendix D): layer after layer, each seeing inputs that come
from layers already corrected. The mean is that of what a Relu or Clip behind the layer lets
through: an error beyond its bounds changes nothing, and correcting it would.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import set_constant
from edgecnn_exporters.quantise.graph.plan import QuantisationPlan
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.graph.qdq import Numbers, bias_of, write_qdq
from edgecnn_exporters.quantise.graph.rules import Role
from edgecnn_exporters.quantise.graph.walk import Walk, steps_of
from edgecnn_exporters.quantise.in_parallel import MOST_AT_ONCE, in_parallel
from edgecnn_exporters.quantise.steps.trimmed_mean import squared_error, trimmed_mean
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.encoding import Range, quantise_bias
from edgecnn_runtime.progress import Progress, no_progress

NEWTON_STEPS = 4
# Places of a channel of one sample that each step looks at.
PLACES = 512
# Of the first error, what is left when another step is not worth its time.
SETTLED = 0.05
# Of a channel's values, the share that must lie between the bounds.
LEAST_INSIDE = 0.02


def correct_biases(
    model: ir.Model,
    plan: QuantisationPlan,
    numbers: Numbers,
    means: Mapping[str, Float32],
    samples: Sequence[Float32],
    progress: Progress = no_progress,
) -> dict[str, Float32]:
    """Correct biases so that each layer's mean output is the float network's.

    Args:
        model: the canonical float model.
        numbers: of its quantised form; weights and encodings stay as they are.
        means: of the same samples, as `float_means` gives them.
        samples: held in memory with their 8-bit activations.

    Returns:
        (channels,), by the name of each integer product.
    """
    products = {
        str(node.name): node
        for node in model.graph
        if plan.integer.get(str(node.name)) is Role.PRODUCT
    }
    copy = write_qdq(model, plan, with_biases(numbers, products, means))
    quantised = {str(node.name): node for node in copy.graph}
    biases: dict[str, Float32] = {}
    walk = Walk(copy, steps_of(copy.graph, list(products)))
    for number, step in enumerate(walk.begin(samples)):
        for name, value in step.products.items():
            limit = plan.limits.get(leaving(products[name], plan))
            shift = _shift(walk.look(step, value), means[name], limit)
            old = numbers.biases.get(name)
            old = bias_of(products[name]) if old is None else old
            biases[name] = shift if old is None else old + shift
            source = products[name].inputs[0]
            assert source is not None
            scale = numbers.activations[str(source.name)].scale
            set_bias(copy.graph, quantised[name], biases[name], scale, numbers)
        walk.advance(step)
        progress((number + 1) / len(walk.steps))
    return biases


def leaving(product: ir.Node, plan: QuantisationPlan) -> str:
    """The value whose mean counts: the output of the fused Relu or Clip, or the product's own."""
    output = product.outputs[0]
    clips = [str(use.node.outputs[0].name) for use in output.uses()]
    return clips[0] if len(clips) == 1 and clips[0] in plan.limits else str(output.name)


def channel_means(values: Float32) -> Float32:
    """Means (channels,) of (batch, channels, …)."""
    means: Float32 = _place_means(values.reshape(1, *values.shape[:2], -1))[0]
    return means


def float_means(
    model: ir.Model,
    plan: QuantisationPlan,
    samples: Iterable[Float32],
    at_once: int = MOST_AT_ONCE,
) -> dict[str, Float32]:
    """Float channel means (samples, channels) behind each integer product, by its name.

    Args:
        at_once: samples whose activations may be in memory at a time.
    """
    values = {
        str(node.name): leaving(node, plan)
        for node in model.graph
        if plan.integer.get(str(node.name)) is Role.PRODUCT
    }
    probe = ValueProbe(model, list(dict.fromkeys(values.values())))

    def look(sample: Float32) -> dict[str, Float32]:
        return {name: channel_means(array) for name, array in probe.run(sample).items()}

    found = list(in_parallel(look, samples, at_once))
    return {name: np.array([each[value] for each in found]) for name, value in values.items()}


def _shift(outputs: Iterable[Float32], means: Float32, limit: Range | None) -> Float32:
    """Shift of each channel at which its clipped output has the wanted mean.

    Newton's method: of a shift, only the share of values between the bounds moves the mean. The
    shift is shrunk to its reliable share, ``e² / (e² + s²)`` for a mean error e with standard
    error s over the samples: of few of them, some of the error is their own.
    """
    if limit is None:
        errors = means - np.array(list(map(channel_means, outputs)))
        moved: Float32 = trimmed_mean(errors) * _reliable_share(errors)
        return moved

    def clip(array: Float32) -> Float32:
        return np.clip(array, limit.low, limit.high)

    looked_at = [(channel_means(clip(each)), _some_places(each)) for each in outputs]
    errors = means - np.array([mean for mean, _ in looked_at])
    shifted = few = np.stack([places for _, places in looked_at])
    first = _place_means(clip(few))
    shift, moved = np.zeros(means.shape[1], np.float32), np.zeros_like(errors)
    for _ in range(NEWTON_STEPS):
        off = trimmed_mean(errors - moved)
        is_inside = (shifted > limit.low) & (shifted < limit.high)
        inside = _place_means(is_inside.astype(np.float32)).mean(axis=0)
        # A channel that is hardly ever between the bounds is known too little.
        shift += np.where(inside > LEAST_INSIDE, off / np.maximum(inside, 1e-6), 0)
        if np.abs(off).max() <= SETTLED * np.abs(trimmed_mean(errors)).max():
            break
        shifted = few + shift[:, None]
        moved = _place_means(clip(shifted)) - first
    return shift * _reliable_share(errors)


def _some_places(values: Float32) -> Float32:
    """At most about `PLACES` places of each channel: enough for how a shift moves the mean."""
    rows = values.reshape(*values.shape[:2], -1)
    return rows[:, :, :: max(1, rows.shape[2] // PLACES)].copy()


def _place_means(values: Float32) -> Float32:
    """Means (samples, channels) of (samples, batch, channels, places)."""
    # Without pairwise sums, which numpy's mean has: a fifth of its time.
    means: Float32 = np.einsum("...p->...", values).mean(axis=1) / values.shape[3]
    return means


def _reliable_share(errors: Float32) -> Float32:
    """The share of each channel's mean error (samples, channels) that is not sampling noise."""
    mean = np.square(trimmed_mean(errors), dtype=np.float64)
    variance = squared_error(errors) if len(errors) > 1 else mean
    share = np.divide(mean, mean + variance, out=np.zeros_like(mean), where=mean > 0)
    shares: Float32 = share.astype(np.float32)
    return shares


def with_biases(
    numbers: Numbers, products: Mapping[str, ir.Node], means: Mapping[str, Float32]
) -> Numbers:
    """The numbers with a bias for every product, of zeros where it has none: one to be changed."""
    biases = {
        name: np.zeros(means[name].shape[-1], np.float32) if bias is None else bias
        for name, node in products.items()
        for bias in [bias_of(node)]
    }
    return Numbers(numbers.activations, numbers.weights, biases | dict(numbers.biases))


def set_bias(
    graph: ir.Graph, node: ir.Node, bias: Float32, input_scale: float, numbers: Numbers
) -> None:
    """Put a bias into the QDQ graph, where its product reads it."""
    value = node.inputs[2]
    assert value is not None
    dequantise = value.producer()
    assert dequantise is not None
    sums, _ = quantise_bias(bias, input_scale, numbers.weights[str(node.name)].scale)
    set_constant(graph, dequantise, 0, sums, str(value.name))
