"""Form of a network for learning: batch normalisations and dropouts as far as they work there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.differentiate import active_values
from edgecnn_exporters.gradient.parameters import chosen_parameters
from edgecnn_exporters.gradient.training_graph import TrainingRequest
from edgecnn_exporters.learn.backbone import float_backbone
from edgecnn_exporters.passes.graph import constant, is_operator, maker
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.learn.fold import fold
from edgecnn_runtime.training import FoldedNorm, Normalisation


@dataclass(frozen=True)
class LearnForm:
    """The graph that is differentiated, and how the float artefact follows from it.

    Attributes:
        model: float.
        parameters: names of what is learnt.
        normalisation: statistics of batch normalisation.
        statistics: names of the running means and variances that a step changes.
        folded: batch normalisations that the float artefact has folded.
    """

    model: ir.Model
    parameters: tuple[str, ...]
    normalisation: Normalisation = "frozen"
    statistics: tuple[str, ...] = ()
    folded: tuple[FoldedNorm, ...] = ()

    @property
    def written(self) -> tuple[str, ...]:
        """Names of the float artefact's initialisers that follow what is learnt."""
        folded = {
            name
            for norm in self.folded
            for name in (norm.weight, norm.bias, norm.gamma, norm.beta, norm.mean, norm.variance)
        }
        own = [name for name in (*self.parameters, *self.statistics) if name not in folded]
        made = [name for norm in self.folded for name in (norm.folded_weight, norm.folded_bias)]
        return (*own, *made)

    def constants(self) -> dict[str, Array]:
        """Arrays that `folded` reads, by name."""
        names = [
            name
            for norm in self.folded
            for name in (norm.weight, norm.bias, norm.gamma, norm.beta, norm.mean, norm.variance)
            if name is not None
        ]
        arrays = {name: constant(self.model.graph.initializers[name]) for name in names}
        return {n: np.array(each, np.float32) for n, each in arrays.items() if each is not None}

    def refolded(self) -> dict[str, Array]:
        """What the float artefact has of `folded`, as a device makes it, by name."""
        constants = self.constants()
        return {name: each for norm in self.folded for name, each in fold(norm, constants).items()}


def learn_form(
    model: ir.Model, unfolded: ir.Model | None, request: TrainingRequest, images: Float32
) -> LearnForm:
    """The form of a network for a request.

    Statistics of each batch need the batch normalisations behind the first learnt layer as nodes;
    so does a Dropout. Where there are none, and where they are to stay as they are, the canonical
    graph serves.

    Args:
        model: the canonical graph, by which the float artefact was written; not changed.
        unfolded: the form of `canonicalise_for_training`; None: nothing of it is wanted.
        images: to compare values of both on.

    Raises:
        UnsupportedModel: a parameter is not there.
    """
    if unfolded is not None and request.normalisation == "batch":
        names = _names(unfolded, request)
        norms = _active_norms(unfolded.graph, names)
        drops = any(is_operator(node, "Dropout") for node in unfolded.graph)
        if norms or drops:
            folded = tuple(each for node in norms if (each := _folded(node, model.graph)))
            values = [value for node in norms for value in node.inputs[3:5] if value is not None]
            statistics = tuple(dict.fromkeys(str(value.name) for value in values))
            # Frozen layers in front are folded where the values between are the same.
            joined = float_backbone(unfolded, names, model, images)
            chosen = unfolded if joined is None else joined.model
            own: Normalisation = "batch" if norms else "frozen"
            return LearnForm(chosen, names, own, statistics, folded)
    return LearnForm(model, _names(model, request))


def _names(model: ir.Model, request: TrainingRequest) -> tuple[str, ...]:
    return tuple(str(value.name) for value in chosen_parameters(model.graph, request.learn))


def _active_norms(graph: ir.Graph, parameters: Collection[str]) -> list[ir.Node]:
    """The batch normalisations that take the statistics of each batch."""
    active = active_values(graph, [graph.initializers[name] for name in parameters])
    return [
        node
        for node in graph
        if is_operator(node, "BatchNormalization") and any(v in active for v in node.inputs)
    ]


def _folded(norm: ir.Node, canonical: ir.Graph) -> FoldedNorm | None:
    """How the canonical graph holds a normalisation; None where it is a node there too."""
    if any(
        str(node.name) == str(norm.name) and is_operator(node, "BatchNormalization")
        for node in canonical
    ):
        return None
    conv = maker(norm.inputs[0], "Conv", "ConvTranspose")
    assert conv is not None, "only behind a convolution a normalisation is folded"
    (there,) = (node for node in canonical if str(node.name) == str(conv.name))
    own = [
        None if value is None else str(value.name) for value in (*conv.inputs, *norm.inputs[1:5])
    ]
    weight = own[1]
    bias = own[2] if len(conv.inputs) > 2 else None
    gamma, beta, mean, variance = own[-4:]
    weights = [value for value in there.inputs[1:3] if value is not None]
    assert None not in (weight, gamma, beta, mean, variance)
    return FoldedNorm(
        weight=str(weight),
        bias=bias,
        gamma=str(gamma),
        beta=str(beta),
        mean=str(mean),
        variance=str(variance),
        epsilon=norm.attributes.get_float("epsilon", 1e-5),
        axis=0 if is_operator(conv, "Conv") else 1,
        folded_weight=str(weights[0].name),
        folded_bias=str(weights[1].name),
    )
