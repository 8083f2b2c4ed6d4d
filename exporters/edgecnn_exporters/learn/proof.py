"""Truth of a golden step: the float graph in PyTorch, behind the features of its frozen layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.gradient.training_forms import apply_training_forms
from edgecnn_exporters.gradient.training_graph import TrainingRequest
from edgecnn_exporters.learn.backbone import Backbone
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


@dataclass(frozen=True)
class Truths:
    """Loss and gradients of a batch by PyTorch's autograd in float64.

    Attributes:
        own: behind the features of the frozen layers as ONNX Runtime's kernels compute them in the
            training graph: what it is proven by.
        neutral: behind those of each node by itself, which is no machine's: what it is held against
            elsewhere. The same where the frozen layers are float.
    """

    own: GradientTruth
    neutral: GradientTruth


def learn_truths(
    form: LearnForm,
    backbone: Backbone | None,
    built: BuiltGraph,
    batch: Batch,
    request: TrainingRequest,
) -> Truths:
    """Loss and gradients of a batch.

    On which side of a kink a value lies, as at the zero of a Relu, comes from the training graph.

    Args:
        batch: with the random inputs.
    """
    model = form.model.clone()
    apply_training_forms(model.graph)
    loss = LossBatch(request.loss, batch.labels, request.smoothing)
    crossing = [str(value.name) for value in frontier(model.graph, form.parameters)]
    nodes = {str(node.name): node.inputs[0] for node in built.graph.model.graph}
    kinked = {
        name: str(value.name)
        for name in kinks(model.graph, form.parameters)
        if (value := nodes.get(name)) is not None
    }
    held = {name: name if backbone is None else backbone.features[name] for name in crossing}

    def truth(*, is_optimised: bool) -> GradientTruth:
        names = [*kinked.values(), *held.values()]
        seen = _seen(built, batch, names, is_optimised=is_optimised)
        return gradient_truth(
            model.graph,
            {name: seen[value] for name, value in held.items()},
            form.parameters,
            loss,
            {name: seen[value] for name, value in kinked.items()},
            form.statistics,
        )

    own = truth(is_optimised=True)
    return Truths(own, own if backbone is None else truth(is_optimised=False))


def _seen(
    built: BuiltGraph, batch: Batch, names: Sequence[str], *, is_optimised: bool
) -> dict[str, Array]:
    """Values of the forward pass as ONNX Runtime computes them in the training graph."""
    model = built.graph.model.clone()
    graph = model.graph
    values = {str(value.name): value for node in graph for value in node.outputs}
    given = {name: batch.feeds[name] for name in names if name in batch.feeds}
    outputs = set(graph.outputs)
    wanted = [name for name in dict.fromkeys(names) if name not in given]
    for value in (values[name] for name in wanted):
        value.type = value.type or ir.TensorType(ir.DataType.FLOAT)
        if value not in outputs:
            graph.outputs.append(value)
    step = GoldenStep(dict(batch.feeds), batch.labels, 0.0, {}, {})
    content = to_bytes(model)
    found = first_step(content, built.training, step, built.values, is_optimised=is_optimised)
    return {**given, **{name: found[name] for name in wanted}}
