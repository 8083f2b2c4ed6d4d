"""Training artefact: the training graph with its files and its section of the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import onnx_ir as ir

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.errors import TargetDiffers, UnsupportedModel
from edgecnn_exporters.gradient.parameters import chosen_parameters
from edgecnn_exporters.gradient.training_graph import TrainingRequest, training_graph
from edgecnn_exporters.learn.backbone import Backbone, int8_backbone, values_of
from edgecnn_exporters.learn.build import GOLDEN, GRAPH, VALUES, Batch, build
from edgecnn_exporters.learn.golden_step import (
    golden_batch,
    golden_labels,
    golden_step,
    golden_tensors,
)
from edgecnn_exporters.learn.source import LearnSource
from edgecnn_exporters.learn.truth import frontier, gradient_truth
from edgecnn_exporters.learn.written import Written, add_ranges, int8_written
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.bundle.safetensors import write_safetensors
from edgecnn_runtime.bundle.training.golden_step import GoldenStep
from edgecnn_runtime.parity.step_tolerances import is_step_within, step_limit
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
    """

    training: Training
    parameters: tuple[TensorSpec, ...]
    files: Mapping[str, bytes]
    error: StepError
    notes: tuple[str, ...] = ()

    def provenance(self, request: TrainingRequest) -> dict[str, Any]:
        """Provenance of the training graph, as JSON values."""
        return {
            "learn": request.learn,
            "label_smoothing": request.smoothing,
            "relative_gradient_error": float(f"{self.error.gradient:.2e}"),
            "relative_loss_error": float(f"{self.error.loss:.2e}"),
        }


def check_learnable(model: ir.Model, request: TrainingRequest) -> None:
    """Build the training graph of a canonical model for its refusals alone.

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
    training_graph(model, request)


def training_artefact(source: LearnSource, request: TrainingRequest) -> TrainingArtefact:
    """Write the training graph of a network, prove one step of it, and describe it.

    Raises:
        UnsupportedModel: as `check_learnable` says.
        TargetDiffers: ONNX Runtime's step differs from PyTorch's.
    """
    graph = source.model.graph
    names = tuple(str(value.name) for value in chosen_parameters(graph, request.learn))
    (given,) = graph.inputs
    size = given.shape[0] if given.shape is not None else None
    images = golden_batch(source.images, size if isinstance(size, int) else None)
    (output,) = values_of(source.model, [str(graph.outputs[0].name)], images).values()
    batch = Batch(str(given.name), images, golden_labels(request.loss, output))
    backbone, notes = _backbone(source, names, images)
    model = source.model if backbone is None else backbone.model
    built = build(model, replace(request, learn=",".join(names)), names, batch)
    training = replace(built.training, backbone="fp32" if backbone is None else "int8")
    if source.quantised is not None:
        written = int8_written(source.model, names, source.quantised, source.weight_bits)
        add_ranges(built.graph.model, written)
        training = replace(
            training,
            quantised=written.layers,
            ranges=written.ranges,
            is_int8_written=written.obstacle is None,
        )
        notes += _not_written(written)
    features = _features(source.model, backbone, names, images)
    truth = gradient_truth(graph, features, names, request.loss, batch.labels, request.smoothing)
    golden = golden_step({batch.input: images}, batch.labels, truth)
    content = to_bytes(built.graph.model)
    error = _proven(content, training, golden, built.values)
    files = {
        GRAPH: content,
        VALUES: write_safetensors(built.values),
        GOLDEN: write_safetensors(golden_tensors(golden)),
    }
    parameters = tuple(TensorSpec(n, "float32", built.values[n].shape) for n in names)
    return TrainingArtefact(training, parameters, files, error, notes)


def _backbone(
    source: LearnSource, names: tuple[str, ...], images: Float32
) -> tuple[Backbone | None, tuple[str, ...]]:
    if source.quantised is None:
        return None, ()
    state = source.quantised
    found = int8_backbone(source.model, names, state.model, state.qdq, images)
    if isinstance(found, Backbone):
        return found, ()
    return None, (f"what is learnt reads the float layers: {found}",)


def _not_written(written: Written) -> tuple[str, ...]:
    if written.obstacle is None:
        return ()
    return (f"a device that learns writes no int8 artefact: {written.obstacle}",)


def _features(
    model: ir.Model, backbone: Backbone | None, names: tuple[str, ...], images: Float32
) -> dict[str, Array]:
    """What the learnt layers read, by its name in the float graph, each node by itself."""
    crossing = [str(value.name) for value in frontier(model.graph, names)]
    if backbone is None:
        return values_of(model, crossing, images)
    computed = values_of(backbone.model, [backbone.features[name] for name in crossing], images)
    return {name: computed[backbone.features[name]] for name in crossing}


def _proven(
    content: bytes, training: Training, golden: GoldenStep, values: Mapping[str, Array]
) -> StepError:
    outputs = first_step(content, training, golden, values)
    error = step_error(training, golden, values, outputs)
    if not is_step_within(error, training.backbone):
        raise TargetDiffers(
            f"{GRAPH} differs from PyTorch's gradients by {error.gradient:.1e} of the largest of "
            f"{error.parameter} and by {error.loss:.1e} of the loss, expected "
            f"{step_limit(training.backbone)}; nothing was written. Leave out --learn, and please "
            "report it: this is a defect"
        )
    return error
