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
from edgecnn_exporters.quantise.encoding import QuantisedWeight, largest_integer
from edgecnn_exporters.quantise.graph.plan import QuantisationPlan
from edgecnn_exporters.quantise.graph.qdq import Numbers
from edgecnn_exporters.quantise.graph.rules import Role
from edgecnn_exporters.quantise.steps.second_moments import BLOCK, Blocks, has_patches
from edgecnn_runtime.arrays import Float32, Float64

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
    weights = dict(numbers.weights)
    for node in products:
        name = str(node.name)
        weights[name] = round_weight(node, weights[name], moments[name], bits)
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
    import torch

    hessian = torch.from_numpy(moments.astype(np.float64))
    power = torch.diagonal(hessian, dim1=1, dim2=2)
    mean = power.mean(1, keepdim=True)
    damped = hessian + torch.diag_embed((DAMPING * mean + TINY).expand_as(power))
    # What has the largest power is rounded first, while there are others to make up for it.
    order = torch.argsort(-power, dim=1, stable=True)
    at = torch.arange(len(order))[:, None]
    sorted_ = damped[at[:, :, None], order[:, :, None], order[:, None, :]]
    # Row j: what an error of weight j is to change of those after it.
    feedback = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(sorted_))).mT
    left = torch.from_numpy(rows.astype(np.float64))[at, :, order].mT.contiguous()
    steps = torch.from_numpy(scale.astype(np.float64))
    integers = torch.empty_like(left)
    count = left.shape[2]
    for begin in range(0, count, COLUMNS):
        end = min(begin + COLUMNS, count)
        errors = torch.empty((*left.shape[:2], end - begin), dtype=left.dtype)
        for j in range(begin, end):
            integers[:, :, j] = torch.round(left[:, :, j] / steps).clamp(-limit, limit)
            error = (left[:, :, j] - integers[:, :, j] * steps) / feedback[:, j, j, None]
            left[:, :, j:end] -= error[:, :, None] * feedback[:, j, None, j:end]
            errors[:, :, j - begin] = error
        left[:, :, end:] -= errors @ feedback[:, begin:end, end:]
    back = torch.argsort(order, dim=1)
    ordered: Float64 = integers[at, :, back].mT.numpy()
    return ordered
