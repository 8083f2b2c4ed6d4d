"""Cause: a batch normalisation whose statistics or parameters were mixed up.

It may have become a multiplication and an addition, or a depthwise convolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.causes.case import (
    Case,
    Cause,
    CauseFinding,
    named,
    operators_of,
)
from edgecnn_exporters.diagnose.causes.channels import MATCH, misfit
from edgecnn_exporters.diagnose.weights import input_of, reals
from edgecnn_exporters.passes.graph import constant, set_constant
from edgecnn_runtime.arrays import Array

NAMES = ("gamma", "beta", "mean", "variance")


@dataclass(frozen=True)
class Norm:
    """Parameters of a batch normalisation, (C,) each."""

    gamma: Array
    beta: Array
    mean: Array
    variance: Array
    epsilon: float

    @property
    def affine(self) -> tuple[Array, Array]:
        """``s`` and ``t`` of ``s x + t``, what the normalisation computes."""
        with np.errstate(all="ignore"):
            scale = self.gamma / np.sqrt(self.variance + self.epsilon)
            return scale, self.beta - self.mean * scale


def other_norm(case: Case) -> Iterator[CauseFinding]:
    """The mistake that gives the candidate's numbers, of a batch normalisation of the original."""
    ours, theirs = (_affine_of(operators_of(model)) for model in (case.ours, case.theirs))
    if ours is None or theirs is None or ours.scale.shape != theirs.scale.shape:
        return
    if ours.is_like(theirs) or ours.node.op_type == theirs.node.op_type == "BatchNormalization":
        return
    words = _mistake(case, ours, theirs)
    if words is None:
        return

    def edit(model: ir.Model) -> None:
        theirs.replace(model, ours.scale, ours.offset)

    is_norm = theirs.node.op_type == "BatchNormalization"
    node = named(theirs.node if is_norm else ours.node)
    fix = "take gamma, beta, mean and variance as in the original"
    yield CauseFinding(Cause.KERNEL, words, fix, case.ratio_after(edit), node)


def _mistake(case: Case, ours: Affine, theirs: Affine) -> str | None:
    """The mistake in words, from the norm whose parameters are known; None where none is."""
    norms = {str(n.name): n for n in case.origin.graph if n.op_type == "BatchNormalization"}
    nodes = [node for node in (ours.node, theirs.node) if node.op_type == "BatchNormalization"]
    nodes += [norms[str(n.name)] for n in (ours.node, theirs.node) if str(n.name) in norms]
    for norm in filter(None, map(_norm, nodes)):
        is_sound = ours.is_like_numbers(*norm.affine)
        for mistake, other in _mistakes(norm):
            if (theirs if is_sound else ours).is_like_numbers(*other.affine):
                return f"batch normalisation: {mistake}"
    return "scale and offset of the batch normalisation are not the original's" if nodes else None


def _mistakes(norm: Norm) -> Iterator[tuple[str, Norm]]:
    fields = [getattr(norm, name) for name in NAMES]
    for first in range(len(NAMES)):
        for second in range(first):
            swapped = list(fields)
            swapped[first], swapped[second] = swapped[second], swapped[first]
            words = f"{NAMES[second]} and {NAMES[first]} are swapped"
            yield words, _of_fields(swapped, norm.epsilon)
    yield "gamma is missing", replace(norm, gamma=np.ones_like(norm.gamma))
    yield "beta is missing", replace(norm, beta=np.zeros_like(norm.beta))
    yield "mean is missing", replace(norm, mean=np.zeros_like(norm.mean))
    yield "the mean has the other sign", replace(norm, mean=-norm.mean)
    squared = np.square(norm.variance + norm.epsilon)
    yield "the variance stands for the deviation", replace(norm, variance=squared, epsilon=0.0)
    for epsilon in (1e-2, 1e-3, 1e-5, 0.0):
        words = f"epsilon is {epsilon:g} where the original has {norm.epsilon:g}"
        yield words, replace(norm, epsilon=epsilon)


def _norm(node: ir.Node) -> Norm | None:
    arrays = [constant(value) for value in node.inputs[1:5]]
    if len(arrays) != len(NAMES) or any(array is None for array in arrays):
        return None
    known = [array.astype(np.float64) for array in arrays if array is not None]
    return _of_fields(known, node.attributes.get_float("epsilon", 1e-5))


def _of_fields(fields: list[Array], epsilon: float) -> Norm:
    gamma, beta, mean, variance = fields
    return Norm(gamma, beta, mean, variance, epsilon)


@dataclass(frozen=True)
class Affine:
    """``scale · x + offset``, (C,) each, in any form.

    Attributes:
        node: the first of its operators.
        places: where scale and offset lie: the operator's place and its input's.
    """

    node: ir.Node
    scale: Array
    offset: Array
    places: tuple[tuple[int, int], tuple[int, int]]

    def is_like(self, other: Affine) -> bool:
        """Whether the numbers of another are these, but for rounding."""
        return self.is_like_numbers(other.scale, other.offset)

    def is_like_numbers(self, scale: Array, offset: Array) -> bool:
        """Whether scale and offset are these, but for rounding."""
        if scale.shape != self.scale.shape or not np.isfinite(scale).all():
            return False
        return max(misfit(scale, self.scale), misfit(offset, self.offset)) < MATCH

    def replace(self, model: ir.Model, scale: Array, offset: Array) -> None:
        """Put other numbers into a region whose operators these are."""
        nodes = operators_of(model)
        if self.node.op_type == "BatchNormalization":
            place = self.places[0][0]
            epsilon = nodes[place].attributes.get_float("epsilon", 1e-5)
            variance = np.full_like(scale, 1 - epsilon)
            parts = [(1, scale), (2, offset), (3, np.zeros_like(scale)), (4, variance)]
            for index, array in parts:
                _put(model, nodes[place], index, array)
            return
        for (place, index), array in zip(self.places, (scale, offset), strict=True):
            _put(model, nodes[place], index, array)


def _put(model: ir.Model, node: ir.Node, index: int, array: Array) -> None:
    old = reals(input_of(node, index))
    assert old is not None
    shaped = array.astype(np.float32).reshape(old.shape)
    set_constant(model.graph, node, index, shaped, f"{node.name}.{index}.fixed")


def _affine_of(nodes: list[ir.Node]) -> Affine | None:
    for place, node in enumerate(nodes):
        group = node.attributes.get_int("group", 1)
        if node.op_type == "BatchNormalization" and (norm := _norm(node)) is not None:
            return Affine(node, *norm.affine, ((place, 1), (place, 2)))
        if node.op_type == "Conv" and group > 1:
            weight, bias = reals(input_of(node, 1)), reals(input_of(node, 2))
            if weight is not None and bias is not None and weight.size == group == bias.size:
                return Affine(node, weight.ravel(), bias.ravel(), ((place, 1), (place, 2)))
        if node.op_type == "Mul" and place + 1 < len(nodes) and nodes[place + 1].op_type == "Add":
            first, second = (_constant_side(each) for each in nodes[place : place + 2])
            if first is not None and second is not None and first[1].size == second[1].size:
                places = ((place, first[0]), (place + 1, second[0]))
                return Affine(node, first[1], second[1], places)
    return None


def _constant_side(node: ir.Node) -> tuple[int, Array] | None:
    """Index and numbers of a binary operator's constant input."""
    for index, value in enumerate(node.inputs):
        array = reals(value)
        if array is not None:
            return index, array.ravel()
    return None
