"""Training graph: forward pass, loss, backward pass and optimiser step as one plain ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.gradient.batch_statistics import BatchNorms, use_batch_statistics
from edgecnn_exporters.gradient.differentiate import active_values, differentiate
from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.learnt_convolutions import suit_learnt_convolutions
from edgecnn_exporters.gradient.losses import LOSS_FUNCTIONS
from edgecnn_exporters.gradient.optimisers import OptimiserConfig, new_input, update
from edgecnn_exporters.gradient.parameters import chosen_parameters
from edgecnn_exporters.gradient.training_forms import apply_training_forms
from edgecnn_exporters.passes.graph import constant
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.training import GRADIENT_NORM, LABELS, LOSS, RATE, Loss, Normalisation


@dataclass(frozen=True)
class MemoryLimit:
    """Limit of the memory that a step of learning takes.

    Attributes:
        megabytes: beyond what Python, numpy and the engine take.
        batch: images of the step.
    """

    megabytes: float
    batch: int = 16


@dataclass(frozen=True)
class TrainingRequest:
    """Request of a training graph.

    Attributes:
        learn: the parameters, as `chosen_parameters` takes them.
        smoothing: of the labels, for cross-entropy.
        normalisation: statistics of batch normalisation: the running ones as constants, or those of
            each batch (behind the first learnt layer), which change the running ones.
        memory: limit of a step's memory, for the artefact that is made of the graph; None keeps all
            activations.
    """

    learn: str = "head"
    loss: Loss = "cross_entropy"
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    smoothing: float = 0.0
    normalisation: Normalisation = "frozen"
    memory: MemoryLimit | None = None


@dataclass(frozen=True)
class TrainingGraph:
    """A training graph, and what it begins with. docs/learning.md has the names.

    Attributes:
        model: one step; parameters and state go in and come out.
        parameters: value of each learnt parameter, by its name.
        state: inputs of the optimiser's state, by name; they begin as zeros.
        statistics: value of each running mean and variance, by its name.
        random: inputs of numbers that each step draws.
    """

    model: ir.Model
    parameters: Mapping[str, Array]
    state: tuple[ir.Value, ...] = ()
    statistics: Mapping[str, Array] = field(default_factory=dict)
    random: tuple[ir.Value, ...] = ()


def training_graph(model: ir.Model, request: TrainingRequest) -> TrainingGraph:
    """The training graph of a canonical model, which is not changed.

    Args:
        model: float, with the shapes of all values; of `canonicalise_for_training` where Dropout
            and the statistics of a batch are to work.

    Raises:
        UnsupportedModel: an operator on the way has no rule, or a parameter is not there.
    """
    from onnx_ir.passes import common

    model = model.clone()
    graph = model.graph
    random = apply_training_forms(graph)
    emit = Emitter(graph)
    parameters = chosen_parameters(graph, request.learn)
    convolutions = suit_learnt_convolutions(graph, parameters, emit)
    norms = BatchNorms((), {})
    if request.normalisation == "batch":
        norms = use_batch_statistics(graph, active_values(graph, parameters), emit)
    output = graph.outputs[0]
    labels = _labels(emit, request.loss, output)
    rate = new_input(emit, RATE, ir.DataType.FLOAT, ())
    loss = LOSS_FUNCTIONS[request.loss](emit, output, labels, request.smoothing)
    gradients = differentiate(
        graph, {loss.at: loss.gradient}, parameters, emit, (*convolutions, *norms.composites)
    )
    _check_reached(parameters, gradients)
    norm = _norm(emit, list(gradients.values()))
    named = emit("Identity", loss.loss, name=LOSS)
    begin = {str(value.name): _array(value) for value in parameters}
    statistics = {str(value.name): _array(value) for value in norms.next}
    for value in (*parameters, *norms.next):
        _become_input(graph, value)
    changed = update(emit, request.optimiser, gradients, rate)
    for value in (named, norm):
        _add_output(graph, value, ir.DataType.FLOAT, ir.Shape(()))
    for value, following in (*changed.next.items(), *norms.next.items()):
        _add_output(graph, following, value.dtype, value.shape)
    common.RemoveUnusedNodesPass()(model)
    return TrainingGraph(model, begin, changed.state, statistics, random)


def _labels(emit: Emitter, loss: Loss, output: ir.Value) -> ir.Value:
    shape = tuple(output.shape) if output.shape is not None else ()
    if loss == "cross_entropy":
        return new_input(emit, LABELS, ir.DataType.INT64, shape[:1])
    return new_input(emit, LABELS, ir.DataType.FLOAT, shape)


def _check_reached(parameters: Sequence[ir.Value], gradients: Mapping[ir.Value, ir.Value]) -> None:
    for value in parameters:
        if value not in gradients:
            raise UnsupportedModel(
                f"{value.name} does not change the network's first output, so that nothing can be "
                "learnt of it; leave it out of --learn"
            )


def _norm(emit: Emitter, gradients: list[ir.Value]) -> ir.Value:
    """Euclidean norm over all gradients, float32, no axes."""
    emit.within("learn")
    squares = [emit("ReduceSumSquare", gradient, keepdims=0) for gradient in gradients]
    return emit("Sqrt", emit("Sum", *squares), name=GRADIENT_NORM)


def _array(value: ir.Value) -> Array:
    array = constant(value)
    assert array is not None, f"{value.name} is an initialiser"
    return np.array(array, np.float32)


def _become_input(graph: ir.Graph, value: ir.Value) -> None:
    """An initialiser becomes an input of the graph without a value of its own."""
    del graph.initializers[str(value.name)]
    value.const_value = None
    graph.inputs.append(value)


def _add_output(
    graph: ir.Graph, value: ir.Value, dtype: ir.DataType | None, shape: ir.Shape | None
) -> None:
    value.type = None if dtype is None else ir.TensorType(dtype)
    value.shape = shape
    graph.outputs.append(value)
