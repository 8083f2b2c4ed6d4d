"""Second moments of a layer's input patches: what errors of its weights cost at its output.

With a patch x (the values that one output position reads), errors e of a channel's weights cost
``E[(e·x)²] = eᵀ E[x xᵀ] e``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.lib.stride_tricks import sliding_window_view

from edgecnn_exporters.quantise.calibrate.ranges import weight_of
from edgecnn_exporters.quantise.calibrate.samples import Samples
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_runtime.arrays import Float32

# Output positions that are looked at, of all samples together: so many for each weight of a channel
# whose error is known together with others'. Of one sample within these bounds.
FOR_EACH_WEIGHT, FEWEST_POSITIONS, MOST_POSITIONS = 64, 32, 1024
# Weights of a channel whose errors are known together; those of others are taken for unrelated.
BLOCK = 512
# Of the mean power of the outputs so far, what every sample counts as at least.
LEAST_POWER = 1e-2

# One (groups, n, n) for each `BLOCK` weights of a channel.
Blocks = Sequence[Float32]


def second_moments(
    model: ir.Model, products: Sequence[ir.Node], samples: Samples
) -> dict[str, Blocks]:
    """Second moments of the patches of each product, by its name; one sample's are held at a time.

    Each sample counts over the power of its output: none with massive activations decides.

    Args:
        model: the float network; `products` are nodes of it that `patches_of` takes.
    """
    inputs, outputs = ({str(n.name): _name(n, which) for n in products} for which in (True, False))
    probe = ValueProbe(model, list(dict.fromkeys([*inputs.values(), *outputs.values()])))
    moments: dict[str, list[Float32]] = {}
    powers = dict.fromkeys(inputs, 0.0)
    for number, values in enumerate(probe.stream(samples)):
        for node in products:
            name = str(node.name)
            power = float(np.square(values[outputs[name]]).mean())
            powers[name] += power
            least = LEAST_POWER * powers[name] / (number + 1) + 1e-12
            most = positions(node, len(samples))
            own = _moments(patches_of(node, values[inputs[name]], most), 1 / (power + least))
            sums = moments.setdefault(name, [np.zeros_like(each) for each in own])
            moments[name] = [total + each for total, each in zip(sums, own, strict=True)]
    return dict(moments)


def has_patches(node: ir.Node) -> bool:
    """Whether `patches_of` takes a product: its pads must be explicit."""
    pads = node.attributes.get_string("auto_pad", "NOTSET")
    return node.op_type == "Gemm" or (node.op_type == "Conv" and pads == "NOTSET")


def _name(node: ir.Node, is_input: bool) -> str:
    value = node.inputs[0] if is_input else node.outputs[0]
    assert value is not None
    return str(value.name)


def _moments(patches: Float32, weight: float) -> list[Float32]:
    import torch

    rows = torch.from_numpy(patches)
    scale = weight / patches.shape[2]
    parts = (rows[:, at : at + BLOCK] for at in range(0, patches.shape[1], BLOCK))
    return [(torch.bmm(part, part.transpose(1, 2)) * scale).numpy() for part in parts]


def positions(node: ir.Node, samples: int) -> int:
    """How many output positions of each of so many samples are looked at."""
    count = min(BLOCK, int(np.prod(weight_of(node).shape[1:])))
    return min(MOST_POSITIONS, max(FEWEST_POSITIONS, FOR_EACH_WEIGHT * count // samples))


def patches_of(node: ir.Node, values: Float32, most: int = MOST_POSITIONS) -> Float32:
    """What each output position of a Conv or Gemm reads: (groups, weights of a channel, positions).

    Args:
        values: the product's input, (N, C, …) or (N, K).
        most: positions that are taken, spread alike over all.
    """
    if node.op_type == "Gemm":
        return np.ascontiguousarray(values.T[None])
    kernel = weight_of(node).shape[2:]
    axes = len(kernel)
    strides, dilations = (
        node.attributes.get_ints(name, [1] * axes) for name in ("strides", "dilations")
    )
    pads = node.attributes.get_ints("pads", [0] * (2 * axes))
    padded = np.pad(values, [(0, 0), (0, 0), *zip(pads[:axes], pads[axes:], strict=True)])
    reach = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
    windows = sliding_window_view(padded, reach, axis=tuple(range(2, 2 + axes)))
    steps = [slice(None, None, step) for step in (1, 1, *strides, *dilations)]
    windows = windows[tuple(steps)]
    batch, extent = len(windows), windows.shape[2 : 2 + axes]
    groups = node.attributes.get_int("group", 1)
    total = batch * int(np.prod(extent))
    count = min(total, most)
    places = np.linspace(0, total - 1, count).round().astype(int)
    picked = np.unravel_index(places, (batch, *extent))
    # (positions, channels, kernel …): index arrays put their axis first where a slice parts them.
    index: tuple[Any, ...] = (picked[0], slice(None), *picked[1:])
    return np.ascontiguousarray(windows[index].reshape(count, groups, -1).transpose(1, 2, 0))
