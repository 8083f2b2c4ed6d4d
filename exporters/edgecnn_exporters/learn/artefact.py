"""Training artefact: the training graph with its files and its section of the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.errors import TargetDiffers, UnsupportedModel
from edgecnn_exporters.gradient.differentiate import active_values
from edgecnn_exporters.gradient.parameters import chosen_parameters
from edgecnn_exporters.gradient.training_graph import TrainingRequest, training_graph
from edgecnn_exporters.learn.backbone import Backbone, int8_backbone, values_of
from edgecnn_exporters.learn.build import GOLDEN, GRAPH, VALUES, Batch, BuiltGraph, build
from edgecnn_exporters.learn.form import LearnForm, learn_form
from edgecnn_exporters.learn.golden_step import (
    drawn_inputs,
    golden_batch,
    golden_labels,
    golden_step,
    golden_tensors,
)
from edgecnn_exporters.learn.head import why_fixed
from edgecnn_exporters.learn.memory import StepMemory, within_memory
from edgecnn_exporters.learn.proof import learn_truths
from edgecnn_exporters.learn.source import LearnSource
from edgecnn_exporters.learn.written import add_ranges, int8_written
from edgecnn_exporters.passes import canonicalise_for_training
from edgecnn_exporters.passes.graph import constant
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.bundle.safetensors import write_safetensors
from edgecnn_runtime.bundle.training.golden_step import GoldenStep
from edgecnn_runtime.parity.step_tolerances import PROOF, is_step_within, tolerance_of
from edgecnn_runtime.parity.training_step import StepError, first_step, step_error
from edgecnn_runtime.tensor_spec import TensorSpec
from edgecnn_runtime.training import Training


@dataclass(frozen=True)
class TrainingArtefact:
    """The training graph of a bundle, proven on a golden step.

    Attributes:
        training: section of the manifest.
        parameters: what is learnt.
        files: content by path in the bundle.
        error: of the graph's first step in ONNX Runtime against PyTorch's.
        notes: for the user.
        memory: of a step; None where it has no limit.
    """

    training: Training
    parameters: tuple[TensorSpec, ...]
    files: Mapping[str, bytes]
    error: StepError
    notes: tuple[str, ...] = ()
    memory: StepMemory | None = None

    def provenance(self, request: TrainingRequest) -> dict[str, Any]:
        """Provenance of the training graph, as JSON values."""
        measured = {} if self.memory is None else {"memory": self.memory.to_json()}
        return {
            **measured,
            "learn": request.learn,
            "label_smoothing": request.smoothing,
            "relative_gradient_error": float(f"{self.error.gradient:.2e}"),
            "relative_loss_error": float(f"{self.error.loss:.2e}"),
        }


def unfolded_form(model: ir.Model, request: TrainingRequest | None) -> ir.Model | None:
    """A captured model in canonical form for statistics of each batch; None where none are asked.

    Args:
        model: before it is brought into canonical form; not changed.
    """
    if request is None or request.normalisation == "frozen":
        return None
    unfolded = model.clone()
    canonicalise_for_training(unfolded)
    return unfolded


def check_learnable(model: ir.Model, unfolded: ir.Model | None, request: TrainingRequest) -> None:
    """Build the training graph of a network for its refusals alone.

    Args:
        model: the canonical graph.
        unfolded: the form of `canonicalise_for_training`; None: nothing of it is wanted.

    Raises:
        UnsupportedModel: the network is quantised already, an operator on the way has no gradient,
            a parameter is not there, or the loss does not fit the output.
    """
    for node in model.graph:
        if "QuantizeLinear" in node.op_type or node.op_type in ("ConvInteger", "MatMulInteger"):
            raise UnsupportedModel(
                f"{node.name} ({node.op_type}): the network is quantised already, and only float "
                "weights are learnt; export the float network with --learn, and --quantize int8 "
                "beside it"
            )
    training_graph(model if unfolded is None else unfolded, request)


def learnt_nodes(
    model: ir.Model, unfolded: ir.Model | None, request: TrainingRequest | None
) -> frozenset[str]:
    """Names of the nodes that change with what is learnt: what quantisation leaves as it is."""
    if request is None:
        return frozenset()
    graph = (model if unfolded is None else unfolded).graph
    active = active_values(graph, chosen_parameters(graph, request.learn))
    return frozenset(str(node.name) for node in graph if node.outputs[0] in active)


def training_artefact(source: LearnSource, request: TrainingRequest) -> TrainingArtefact:
    """Write the training graph of a network, prove one step of it, and describe it.

    Raises:
        DoesNotFit: a step takes more memory than the request allows.
        UnsupportedModel: as `check_learnable` says.
        TargetDiffers: ONNX Runtime's step differs from PyTorch's.
    """
    graph = source.model.graph
    (given,) = graph.inputs
    size = given.shape[0] if given.shape is not None else None
    images = golden_batch(source.images, size if isinstance(size, int) else None)
    feeds: dict[str, Array] = {str(given.name): images}
    (output,) = values_of(source.model, [str(graph.outputs[0].name)], feeds).values()
    batch = Batch(feeds, golden_labels(request.loss, output))
    form = learn_form(source.model, source.unfolded, request, images)
    _check_folded(form, source.model)
    backbone, notes = _backbone(source, form, images)
    model = form.model if backbone is None else backbone.model
    exact = replace(request, learn=",".join(form.parameters), normalisation=form.normalisation)
    built = _described(build(model, exact, form.parameters, batch), form, backbone)
    if source.quantised is not None:
        built, more = _with_int8(built, source, form)
        notes += more
    if request.loss == "cross_entropy" and built.training.head is None:
        fixed = why_fixed(model.graph, form.parameters)
        notes += () if fixed is None else (fixed,)
    memory = None
    if request.memory is not None:
        built, memory = within_memory(built, request.memory, batch)
    feeds |= drawn_inputs(built.training.random, len(images))
    truths = learn_truths(form, backbone, built, Batch(feeds, batch.labels), request)
    content = to_bytes(built.graph.model)
    golden = golden_step(feeds, batch.labels, truths.neutral)
    error = _proven(content, built, golden, golden_step(feeds, batch.labels, truths.own))
    files = {
        GRAPH: content,
        VALUES: write_safetensors(built.values),
        GOLDEN: write_safetensors(golden_tensors(golden)),
    }
    parameters = tuple(TensorSpec(n, "float32", built.values[n].shape) for n in form.parameters)
    return TrainingArtefact(built.training, parameters, files, error, notes, memory)


def _check_folded(form: LearnForm, model: ir.Model) -> None:
    """Check that a device folds what is learnt into the weights that the float artefact has."""
    for name, made in form.refolded().items():
        there = constant(model.graph.initializers[name])
        if there is None or not np.allclose(made, there, rtol=1e-4, atol=1e-6):
            raise TargetDiffers(
                f"{name} of the float artefact does not follow from its batch normalisation; "
                "nothing was written. Take --learn-norm frozen, and please report it: this is a "
                "defect"
            )


def _backbone(
    source: LearnSource, form: LearnForm, images: Float32
) -> tuple[Backbone | None, tuple[str, ...]]:
    if source.quantised is None:
        return None, ()
    state = source.quantised
    found = int8_backbone(form.model, form.parameters, state.model, state.qdq, images)
    if isinstance(found, Backbone):
        return found, ()
    return None, (f"the training graph has a float backbone: {found}",)


def _described(built: BuiltGraph, form: LearnForm, backbone: Backbone | None) -> BuiltGraph:
    training = replace(
        built.training,
        backbone="fp32" if backbone is None else "int8",
        normalisation=form.normalisation,
        folded=form.folded,
    )
    return replace(built, training=training, values={**form.constants(), **built.values})


def _with_int8(
    built: BuiltGraph, source: LearnSource, form: LearnForm
) -> tuple[BuiltGraph, tuple[str, ...]]:
    """The training graph with what a device needs to write the int8 artefact; notes where not."""
    assert source.quantised is not None
    written = int8_written(source.model, form.written, source.quantised, source.weight_bits)
    if written.obstacle is not None:
        return built, (f"a device that learns writes no int8 artefact: {written.obstacle}",)
    add_ranges(built.graph.model, written)
    training = replace(
        built.training, quantised=written.layers, ranges=written.ranges, is_int8_written=True
    )
    return replace(built, training=training), ()


def _proven(content: bytes, built: BuiltGraph, golden: GoldenStep, own: GoldenStep) -> StepError:
    """The error of the graph's first step against PyTorch's behind the same features.

    Raises:
        TargetDiffers: it is no rounding; or, against the golden step, more than other kernels' is.
    """
    training = built.training
    outputs = first_step(content, training, own, built.values)
    error = step_error(training, own, built.values, outputs)
    elsewhere = step_error(training, golden, built.values, outputs)
    for found, limit in ((error, PROOF), (elsewhere, tolerance_of(training))):
        if not is_step_within(found, limit):
            raise TargetDiffers(
                f"{GRAPH} differs from PyTorch's gradients by {found.gradient:.1e} of the largest "
                f"of {found.parameter} and by {found.loss:.1e} of the loss, expected {limit}; "
                "nothing was written. Leave out --learn, and please report it: this is a defect"
            )
    return error
