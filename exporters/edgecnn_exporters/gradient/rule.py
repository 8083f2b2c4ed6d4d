"""Rule of an operator for reverse-mode differentiation: the gradients of a node's inputs.

Baydin et al. 2018, "Automatic Differentiation in Machine Learning: a Survey", section 3.2: a rule
takes the gradients of the loss with respect to a node's outputs (the adjoints) and gives those with
respect to its inputs, as nodes of the same graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.gradient.parameters import has_parameters_behind
from edgecnn_exporters.passes.graph import constant


@dataclass(frozen=True)
class Backward:
    """A node on the way back, and what is known and wanted there.

    Attributes:
        node: of the forward pass.
        gradients: of the loss with respect to each output, of the output's shape; None of an
            output from which nothing leads to the loss.
        wanted: indices of the inputs whose gradients are needed; a rule may leave out others.
        emit: writes the nodes of the backward pass.
    """

    node: ir.Node
    gradients: tuple[ir.Value | None, ...]
    wanted: frozenset[int]
    emit: Emitter

    @property
    def gradient(self) -> ir.Value:
        """The gradient with respect to the first output."""
        gradient = self.gradients[0]
        if gradient is None:
            raise self.refused("only its further outputs lead to the loss")
        return gradient

    def input(self, index: int) -> ir.Value:
        """The input of that index, which the operator requires."""
        value = self.node.inputs[index]
        assert value is not None, f"{self.node.op_type} has an input {index}"
        return value

    @property
    def output(self) -> ir.Value:
        """The first output, which a rule reads where that keeps no other value in memory."""
        return self.node.outputs[0]

    def integers(self, index: int, attribute: str = "") -> list[int] | None:
        """Integers of a constant input, or of the attribute that older opsets have; None without.

        Raises:
            UnsupportedModel: they are computed.
        """
        value = self.node.inputs[index] if index < len(self.node.inputs) else None
        if value is None:
            given = self.node.attributes.get_ints(attribute)
            return None if given is None else list(given)
        array = constant(value)
        if array is None:
            raise self.refused(f"{value.name} is computed")
        return [int(number) for number in array.reshape(-1)]

    def shape(self, index: int = 0) -> tuple[int | None, ...]:
        """Extents of an input; None where one is dynamic.

        Raises:
            UnsupportedModel: its number of axes is unknown.
        """
        return self._extents(self.input(index))

    def output_shape(self, index: int = 0) -> tuple[int | None, ...]:
        """Extents of an output; None where one is dynamic.

        Raises:
            UnsupportedModel: its number of axes is unknown.
        """
        return self._extents(self.node.outputs[index])

    def refused(self, reason: str) -> UnsupportedModel:
        """Error for a form of the operator that has no gradient here."""
        return cannot_learn(self.node, reason)

    def _extents(self, value: ir.Value) -> tuple[int | None, ...]:
        if value.shape is None:
            raise self.refused(f"the shape of {value.name} is unknown")
        return tuple(extent if isinstance(extent, int) else None for extent in value.shape)


# Gives the gradient of each wanted input, by its index, in the shape of that input.
Rule = Callable[[Backward], Mapping[int, ir.Value]]


def cannot_learn(node: ir.Node, reason: str) -> UnsupportedModel:
    """Error for a node through which no gradient can be written, with what to freeze instead."""
    way = "Learn only layers behind it: --learn head, or --learn last:N with fewer layers"
    if not has_parameters_behind(node):
        way = "No layer with weights is behind it: compute it outside of the network"
    return UnsupportedModel(f"{node.name} ({node.op_type}) has no gradient: {reason}. {way}")
