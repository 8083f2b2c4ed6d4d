"""Rounding with error feedback (GPTQ): later weights make up for the rounding of earlier ones.

Frantar et al. 2022, "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained
Transformers", section 3, after Frantar and Alistarh 2022, "Optimal Brain Compression". In closed
form: without gradients, steps or a learning rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.quantise.calibrate.ranges import weight_of
from edgecnn_exporters.quantise.graph.plan import QuantisationPlan
from edgecnn_exporters.quantise.graph.qdq import Numbers
from edgecnn_exporters.quantise.graph.rules import Role
from edgecnn_exporters.quantise.in_parallel import in_parallel
from edgecnn_exporters.quantise.steps.second_moments import BLOCK, Blocks, has_patches
from edgecnn_runtime.arrays import Float32, Float64, Int64
from edgecnn_runtime.encoding import QuantisedWeight, largest_integer

# Of the mean power of a channel's inputs, what is added to each: inputs of other images are a
# little otherwise, and the feedback is not to rest on small differences of the samples'.
DAMPING = 0.1
# Added to all: inputs that are always zero have no power.
TINY = 1e-9
# Columns whose errors are handed on together (section 3.3, "lazy batch updates").
COLUMNS = 64


def roundable(model: ir.Model, plan: QuantisationPlan) -> list[ir.Node]:
    """The integer products whose patches are known."""
    return [
        node
        for node in model.graph
        if plan.integer.get(str(node.name)) is Role.PRODUCT and has_patches(node)
    ]


def round_with_feedback(
    products: Sequence[ir.Node], numbers: Numbers, moments: Mapping[str, Blocks], bits: int = 8
) -> Numbers:
    """The weights of the products, rounded with error feedback at the scales that they have.

    Args:
        moments: second moments of each product's patches, by its name.
    """

    def round_one(node: ir.Node) -> QuantisedWeight:
        name = str(node.name)
        return round_weight(node, numbers.weights[name], moments[name], bits)

    rounded = in_parallel(round_one, products)
    names = (str(node.name) for node in products)
    weights = {**numbers.weights, **dict(zip(names, rounded, strict=True))}
    return replace(numbers, weights=weights)


def round_weight(
    node: ir.Node, quantised: QuantisedWeight, moments: Blocks, bits: int = 8
) -> QuantisedWeight:
    """One product's weight, rounded with error feedback."""
    weight = np.moveaxis(weight_of(node), quantised.axis, 0)
    channels = len(weight)
    groups = len(moments[0])
    scale = np.broadcast_to(quantised.scale, (channels,)).reshape(groups, -1)
    rows = weight.reshape(groups, channels // groups, -1)
    limit = largest_integer(bits)
    integers = np.concatenate(
        [
            _round_block(rows[:, :, BLOCK * i : BLOCK * (i + 1)], scale, block, limit)
            for i, block in enumerate(moments)
        ],
        axis=2,
    )
    shaped = np.moveaxis(integers.reshape(weight.shape), 0, quantised.axis)
    return replace(quantised, integers=np.ascontiguousarray(shaped, np.int8))


def _round_block(rows: Float32, scale: Float32, moments: Float32, limit: int) -> Float64:
    """Integers of weights (groups, channels, n) with the moments (groups, n, n) of their inputs."""
    order, feedback = _feedback(moments)
    groups, count = order.shape
    at = np.arange(groups)[:, None]
    # A weight of all channels is contiguous, as each step reads it: (n, groups, channels).
    left = np.ascontiguousarray(rows.astype(np.float64)[at, :, order].transpose(1, 0, 2))
    steps = scale.astype(np.float64)
    integers = np.empty_like(left)
    for begin in range(0, count, COLUMNS):
        end = min(begin + COLUMNS, count)
        errors = np.empty((end - begin, *steps.shape))
        for j in range(begin, end):
            integers[j] = np.clip(np.rint(left[j] / steps), -limit, limit)
            errors[j - begin] = (left[j] - integers[j] * steps) / feedback[:, j, j, None]
            handed_on = feedback[:, j, j + 1 : end].T[:, :, None]
            left[j + 1 : end] -= handed_on * errors[j - begin]
        behind = feedback[:, begin:end, end:].transpose(0, 2, 1)
        left[end:] -= np.matmul(behind, errors.transpose(1, 0, 2)).transpose(1, 0, 2)
    back = np.argsort(order, axis=1)
    ordered: Float64 = integers.transpose(1, 0, 2)[at, back].transpose(0, 2, 1)
    return ordered


def _feedback(moments: Float32) -> tuple[Int64, Float64]:
    """The order of rounding (groups, n), and what an error of weight j is to change of those after.

    Row j of (groups, n, n).
    """
    import torch

    hessian = torch.from_numpy(moments.astype(np.float64))
    power = torch.diagonal(hessian, dim1=1, dim2=2)
    mean = power.mean(1, keepdim=True)
    damped = hessian + torch.diag_embed((DAMPING * mean + TINY).expand_as(power))
    # What has the largest power is rounded first, while there are others to make up for it.
    order = torch.argsort(-power, dim=1, stable=True)
    at = torch.arange(len(order))[:, None]
    sorted_ = damped[at[:, :, None], order[:, :, None], order[:, None, :]]
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(sorted_))
    return order.numpy(), torch.linalg.cholesky(inverse).mT.contiguous().numpy()
