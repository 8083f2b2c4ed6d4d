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
    norms = {str(n.name): n for n in case.origin.graph if n.op_type == "BatchNormalization"}
    ours = next((node for node in operators_of(case.ours) if str(node.name) in norms), None)
    found = _affine_of(operators_of(case.theirs))
    norm = None if ours is None else _norm(norms[str(ours.name)])
    if ours is None or norm is None or found is None:
        return
    places, scale, offset = found
    wanted = norm.affine
    if scale.shape != wanted[0].shape or max(
        misfit(one, two) for one, two in zip(wanted, (scale, offset), strict=True)
    ) < MATCH:  # fmt: skip
        return

    def edit(model: ir.Model) -> None:
        nodes = operators_of(model)
        for (place, index), array in zip(places, wanted, strict=True):
            old = reals(input_of(nodes[place], index))
            assert old is not None
            shaped = array.astype(np.float32).reshape(old.shape)
            set_constant(model.graph, nodes[place], index, shaped, f"{ours.name}.{index}.fixed")

    words = "scale and offset of the batch normalisation are not the original's"
    for mistake, other in _mistakes(norm):
        if max(map(misfit, other.affine, (scale, offset))) < MATCH:
            words = f"batch normalisation: {mistake}"
            break
    fix = "take gamma, beta, mean and variance as in the original"
    yield CauseFinding(Cause.KERNEL, words, fix, case.ratio_after(edit), named(ours))


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


def _affine_of(
    nodes: list[ir.Node],
) -> tuple[tuple[tuple[int, int], tuple[int, int]], Array, Array] | None:
    """Scale and offset, (C,), and where each lies: the operator's place and its input's."""
    for place, node in enumerate(nodes):
        group = node.attributes.get_int("group", 1)
        if node.op_type == "Conv" and group > 1:
            weight, bias = reals(input_of(node, 1)), reals(input_of(node, 2))
            if weight is not None and bias is not None and weight.size == group == bias.size:
                return ((place, 1), (place, 2)), weight.ravel(), bias.ravel()
        if node.op_type == "Mul" and place + 1 < len(nodes) and nodes[place + 1].op_type == "Add":
            sides = [_constant_side(each) for each in nodes[place : place + 2]]
            if sides[0] is not None and sides[1] is not None:
                at, numbers = zip(*(side for side in sides if side is not None), strict=True)
                return ((place, at[0]), (place + 1, at[1])), numbers[0], numbers[1]
    return None


def _constant_side(node: ir.Node) -> tuple[int, Array] | None:
    """Index and numbers of a binary operator's constant input."""
    for index, value in enumerate(node.inputs):
        array = reals(value)
        if array is not None:
            return index, array.ravel()
    return None
