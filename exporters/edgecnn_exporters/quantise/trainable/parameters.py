"""Parameters of a trainable network: their names, and the values that a training begins with."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import torch

from edgecnn_exporters.quantise.graph.plan import EncodingGroup, QuantisationPlan
from edgecnn_exporters.quantise.graph.qdq import Numbers
from edgecnn_exporters.quantise.trainable.fake_quantise import LearnedScale, largest_scale
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.encoding import QuantisedWeight, quantise_weight


def key_of(name: str) -> str:
    """The key of a name in a module, where a dot would name a part of it."""
    return ":" + name.replace("%", "%25").replace(".", "%2E")


def name_of(key: str) -> str:
    """The name that `key_of` made a key of."""
    return key[1:].replace("%2E", ".").replace("%25", "%")


def scale_of(group: EncodingGroup, plan: QuantisationPlan, numbers: Numbers) -> LearnedScale:
    """The scale of a group of activations, fixed where their function prescribes it."""
    encoding = numbers.activations[group.values[0]]
    limits = {plan.limits.get(name) for name in group.sources}
    limit = limits.pop() if len(limits) == 1 else None
    is_fixed = group.fixed is not None
    return LearnedScale(encoding.scale, largest_scale(encoding, limit), is_fixed=is_fixed)


def weight_name(node: ir.Node) -> str:
    """The initialiser's name of a product's weight."""
    return str(node.inputs[1].name) if len(node.inputs) > 1 and node.inputs[1] is not None else ""


def start_of(weight: Float32, quantised: QuantisedWeight, bits: int) -> Float32:
    """The float weight that a training begins with.

    Where it was rounded otherwise than to the nearest integer, it is what that integer stands for.
    """
    nearest = quantise_weight(weight, quantised.scale, quantised.axis, bits).integers
    return np.where(nearest == quantised.integers, weight, quantised.dequantise())


def array_of(tensor: torch.Tensor) -> Float32:
    """The numbers of a tensor, copied."""
    array: Float32 = tensor.detach().cpu().numpy()
    return array.copy()
