"""Truth of a golden step: the float graph in PyTorch, behind the features of its frozen layers."""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.gradient.training_forms import apply_training_forms
from edgecnn_exporters.gradient.training_graph import TrainingRequest
from edgecnn_exporters.learn.backbone import Backbone, values_of
from edgecnn_exporters.learn.build import Batch, BuiltGraph
from edgecnn_exporters.learn.form import LearnForm
from edgecnn_exporters.learn.truth import (
    GradientTruth,
    LossBatch,
    frontier,
    gradient_truth,
    kinks,
)
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle.training.golden_step import GoldenStep
from edgecnn_runtime.parity.training_step import first_step


def learn_truth(
    form: LearnForm,
    backbone: Backbone | None,
    built: BuiltGraph,
    batch: Batch,
    request: TrainingRequest,
) -> GradientTruth:
    """Loss and gradients of a batch by PyTorch's autograd in float64.

    The features of frozen layers come from their own graph, each node by itself; on which side of
    a kink a value lies, as at the zero of a Relu, from the training graph.

    Args:
        batch: with the random inputs.
    """
    model = form.model.clone()
    apply_training_forms(model.graph)
    crossing = [str(value.name) for value in frontier(model.graph, form.parameters)]
    if backbone is None:
        features = values_of(model, crossing, batch.feeds)
    else:
        names = [backbone.features[name] for name in crossing]
        computed = values_of(backbone.model, names, batch.feeds)
        features = {name: computed[backbone.features[name]] for name in crossing}
    loss = LossBatch(request.loss, batch.labels, request.smoothing)
    sides = _sides(built, batch, list(kinks(model.graph, form.parameters)))
    return gradient_truth(model.graph, features, form.parameters, loss, sides, form.statistics)


def _sides(built: BuiltGraph, batch: Batch, nodes: list[str]) -> dict[str, Array]:
    """The first input of some nodes in the training graph, as ONNX Runtime computes it there."""
    model = built.graph.model.clone()
    graph = model.graph
    there = {str(node.name): node.inputs[0] for node in graph}
    read = {name: there[name] for name in nodes if there.get(name) is not None}
    outputs = set(graph.outputs)
    for value in dict.fromkeys(read.values()):
        assert value is not None
        value.type = value.type or ir.TensorType(ir.DataType.FLOAT)
        if value not in outputs:
            graph.outputs.append(value)
    step = GoldenStep(dict(batch.feeds), batch.labels, 0.0, {}, {})
    found = first_step(to_bytes(model), built.training, step, built.values)
    return {name: found[str(value.name)] for name, value in read.items() if value is not None}
