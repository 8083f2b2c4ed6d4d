"""Training graph with its manifest section, the number of classes left open where it can be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.gradient.training_graph import (
    TrainingGraph,
    TrainingRequest,
    training_graph,
)
from edgecnn_exporters.learn.golden_step import drawn_inputs
from edgecnn_exporters.learn.head import find_head, open_classes
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle.training.golden_step import GoldenStep
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.parity.training_step import first_step
from edgecnn_runtime.tensor_spec import TensorSpec
from edgecnn_runtime.training import LOSS, NEXT, Head, Training, state_of

GRAPH, VALUES, GOLDEN = "model.train.onnx", "model.train.safetensors", "golden/train.safetensors"


@dataclass(frozen=True)
class BuiltGraph:
    """A training graph and its section of the manifest.

    Attributes:
        values: parameters and statistics as they begin.
    """

    graph: TrainingGraph
    training: Training
    values: Mapping[str, Array]


@dataclass(frozen=True)
class Batch:
    """A batch to prove a step with.

    Attributes:
        feeds: inputs of the network, (N, …) each, and random inputs, by name.
        labels: as the loss takes them.
    """

    feeds: Mapping[str, Array]
    labels: Array


def build(
    model: ir.Model, request: TrainingRequest, parameters: tuple[str, ...], batch: Batch
) -> BuiltGraph:
    """The training graph of a model, which is not changed.

    The number of classes is left open where the last layer gives one value a class: a step with
    one class more proves it.

    Args:
        parameters: names of what is learnt, as `request` chooses it.

    Raises:
        UnsupportedModel: as `training_graph` says.
    """
    head = find_head(model.graph, parameters)
    if head is not None:
        opened = model.clone()
        open_classes(opened, head)
        try:
            built = _described(training_graph(opened, request), request, head)
        except UnsupportedModel:  # a rule that needs the number
            built = None
        if built is not None and _learns_another_class(built, head, batch):
            return built
    return _described(training_graph(model, request), request, None)


def _described(made: TrainingGraph, request: TrainingRequest, head: Head | None) -> BuiltGraph:
    values = {**made.parameters, **made.statistics}
    optimiser = request.optimiser
    parameters = tuple(_spec(name, array) for name, array in made.parameters.items())
    training = Training(
        graph=GRAPH,
        values=VALUES,
        golden=GOLDEN,
        backbone="fp32",
        loss=request.loss,
        optimiser=optimiser.name,
        learning_rate=optimiser.learning_rate,
        momentum=optimiser.momentum,
        weight_decay=optimiser.weight_decay,
        state=state_of(optimiser.name, optimiser.momentum, parameters),
        statistics=tuple(_spec(name, array) for name, array in made.statistics.items()),
        random=tuple(_random(value) for value in made.random),
        head=head,
    )
    return BuiltGraph(made, training, values)


def _spec(name: str, array: Array) -> TensorSpec:
    return TensorSpec(name, str(array.dtype), array.shape)


def _random(value: ir.Value) -> TensorSpec:
    shape = () if value.shape is None else tuple(value.shape)
    extents = tuple(each if isinstance(each, int) else None for each in shape)
    return TensorSpec(str(value.name), "float32", extents)


def _learns_another_class(built: BuiltGraph, head: Head, batch: Batch) -> bool:
    """Whether a step runs with one class more than the network has, and learns it."""
    names = {name for name in (head.weight, head.bias) if name is not None}
    classes = len(built.values[head.weight]) + 1
    values = {
        name: _with_one_more(array) if name in names else array
        for name, array in built.values.items()
    }
    labels = batch.labels
    if labels.dtype.kind == "i":
        labels = np.full_like(labels, classes - 1)
    else:
        labels = np.concatenate([labels, labels[:, :1]], axis=1)
    drawn = drawn_inputs(built.training.random, len(labels))
    step = GoldenStep({**batch.feeds, **drawn}, labels, 0.0, {}, {})
    try:
        outputs = first_step(to_bytes(built.graph.model), built.training, step, values)
    except EngineError:
        return False
    is_finite = bool(np.isfinite(outputs[LOSS]))
    return is_finite and all(outputs[f"{n}{NEXT}"].shape == values[n].shape for n in names)


def _with_one_more(array: Array) -> Array:
    return np.concatenate([array, array[:1]])
