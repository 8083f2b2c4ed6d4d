"""Quantised weights and activations shift a layer's mean output; its bias takes the shift back.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction",
section 4.2, in its empirical form (appendix D): layer after layer, each seeing inputs that come
from layers already corrected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import set_constant
from edgecnn_exporters.quantise.encoding import Float, quantise_bias
from edgecnn_exporters.quantise.plan import Plan
from edgecnn_exporters.quantise.qdq import Numbers, bias_of, write_qdq
from edgecnn_exporters.quantise.rules import Role
from edgecnn_exporters.quantise.walk import Walk, steps_of

Progress = Callable[[float], None]


def correct_biases(
    model: ir.Model,
    plan: Plan,
    numbers: Numbers,
    means: Mapping[str, Float],
    samples: Sequence[Float],
    progress: Progress = lambda done: None,
) -> dict[str, Float]:
    """Biases at which each layer's mean output is the float network's.

    Args:
        model: the canonical float model.
        numbers: of its quantised form; weights and encodings stay as they are.
        means: (channels,), what each product's output is on average in the float network, by the
            node's name, over the same samples.
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
    biases: dict[str, Float] = {}
    walk = Walk(copy, steps_of(copy.graph, list(products)))
    for number, step in enumerate(walk.begin(samples)):
        for name, value in step.products.items():
            shift = means[name] - channel_means(walk.look(step, value))
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


def channel_means(values: Iterable[Float]) -> Float:
    """(channels,), the mean over all of (batch, channels, …)."""
    means = [
        array.reshape(*array.shape[:2], -1).mean(axis=(0, 2), dtype=np.float64) for array in values
    ]
    found: Float = np.mean(means, axis=0).astype(np.float32)
    return found


def with_biases(
    numbers: Numbers, products: Mapping[str, ir.Node], means: Mapping[str, Float]
) -> Numbers:
    """The numbers with a bias for every product, of zeros where it has none: one to be changed."""
    biases = {
        name: np.zeros_like(means[name]) if (bias := bias_of(node)) is None else bias
        for name, node in products.items()
    }
    return Numbers(numbers.activations, numbers.weights, biases | dict(numbers.biases))


def set_bias(
    graph: ir.Graph, node: ir.Node, bias: Float, input_scale: float, numbers: Numbers
) -> None:
    """Put a bias into the QDQ graph, where its product reads it."""
    value = node.inputs[2]
    assert value is not None
    dequantise = value.producer()
    assert dequantise is not None
    sums, _ = quantise_bias(bias, input_scale, numbers.weights[str(node.name)].scale)
    set_constant(graph, dequantise, 0, sums, str(value.name))
