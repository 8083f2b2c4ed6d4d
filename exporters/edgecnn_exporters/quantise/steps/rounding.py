"""Adaptive rounding within a network: each layer sees the outputs of the quantised ones before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import set_constant
from edgecnn_exporters.quantise.calibrate.ranges import weight_of
from edgecnn_exporters.quantise.encoding import QuantisedWeight
from edgecnn_exporters.quantise.graph.plan import QuantisationPlan
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.graph.qdq import Numbers, write_qdq
from edgecnn_exporters.quantise.graph.rules import Role
from edgecnn_exporters.quantise.graph.walk import Walk, WalkStep, steps_of
from edgecnn_exporters.quantise.steps.bias_correction import leaving, with_biases
from edgecnn_exporters.quantise.steps.round_layer import (
    LayerSamples,
    Rounded,
    one_thread,
    round_layer,
)
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.progress import Progress, no_progress


def round_adaptively(
    model: ir.Model,
    plan: QuantisationPlan,
    numbers: Numbers,
    chosen: Sequence[str],
    samples: Sequence[Float32],
    bits: int = 8,
    progress: Progress = no_progress,
) -> tuple[Numbers, list[Rounded]]:
    """Round the weights of some products anew, layer after layer.

    What counts is what a Relu or Clip behind the layer lets through. A layer whose output does not
    come nearer keeps its nearest integers. Biases stay as they are: `correct_biases` takes off what
    the new weights shift.

    Args:
        model: the canonical float model.
        chosen: names of products.
        samples: held in memory with their 8-bit activations.
    """
    products = {
        str(node.name): node
        for node in model.graph
        if plan.integer.get(str(node.name)) is Role.PRODUCT and str(node.name) in chosen
    }
    floats = {name: np.zeros(_channels(node), np.float32) for name, node in products.items()}
    numbers = with_biases(numbers, products, floats)
    copy = write_qdq(model, plan, numbers)
    quantised = {str(node.name): node for node in copy.graph}
    weights = dict(numbers.weights)
    rounded = []
    walk = Walk(copy, steps_of(copy.graph, list(products)))
    for step in walk.begin(samples):
        for name in step.products:
            layer = _look(walk, step, model, plan, products[name], quantised[name], numbers)
            with one_thread():
                weight, result = round_layer(layer, bits)
            if result.after < result.before:
                weights[name] = weight
                _set_weight(copy.graph, quantised[name], weight)
                rounded.append(result)
            progress(len(rounded) / max(1, len(products)))
        walk.advance(step)
    return replace(numbers, weights=weights), rounded


def _look(
    walk: Walk,
    step: WalkStep,
    model: ir.Model,
    plan: QuantisationPlan,
    node: ir.Node,
    quantised: ir.Node,
    numbers: Numbers,
) -> LayerSamples:
    """Inputs of the layer on the walk, and what the float network has behind its clip."""
    name = str(node.name)
    source = quantised.inputs[0]
    assert source is not None
    output = leaving(node, plan)
    expected = ValueProbe(model, [output], threads=1)
    return LayerSamples(
        node=node,
        weight=weight_of(node),
        bias=numbers.biases[name],
        quantised=numbers.weights[name],
        inputs=list(walk.look(step, str(source.name))),
        targets=[expected.run(sample)[output] for sample in walk.samples],
        limit=plan.limits.get(output),
    )


def _set_weight(graph: ir.Graph, node: ir.Node, weight: QuantisedWeight) -> None:
    value = node.inputs[1]
    assert value is not None
    dequantise = value.producer()
    assert dequantise is not None
    set_constant(graph, dequantise, 0, weight.integers, str(value.name))


def _channels(node: ir.Node) -> int:
    groups = node.attributes.get_int("group", 1) if node.op_type == "ConvTranspose" else 1
    axis = 1 if node.op_type == "ConvTranspose" else 0
    return int(weight_of(node).shape[axis]) * groups
