"""Second moments of a layer's input patches: what errors of its weights cost at its output.

With a patch x (the values that one output position reads), errors e of a channel's weights cost
``E[(e·x)²] = eᵀ E[x xᵀ] e``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.quantise.calibrate.ranges import weight_of
from edgecnn_exporters.quantise.calibrate.samples import Samples
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.in_parallel import MOST_AT_ONCE, in_parallel
from edgecnn_runtime.arrays import Float32, Int64

if TYPE_CHECKING:
    import torch

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
    model: ir.Model,
    products: Sequence[ir.Node],
    samples: Samples,
    at_once: int = MOST_AT_ONCE,
) -> dict[str, Blocks]:
    """Second moments of the patches of each product, by its name; a few samples in memory.

    Each sample counts over the power of its output: none with massive activations decides.

    Args:
        model: the float network; `products` are nodes of it that `places_of` takes.
        at_once: samples whose activations may be in memory at a time.
    """
    inputs, outputs = ({str(n.name): _name(n, which) for n in products} for which in (True, False))
    probe = ValueProbe(model, list(dict.fromkeys([*inputs.values(), *outputs.values()])))
    places: dict[str, Places] = {}

    def look(sample: Float32) -> dict[str, tuple[Float32, float]]:
        """The patches of each product, and the power of its output."""
        values = probe.run(sample)
        found = {}
        for node in products:
            name = str(node.name)
            read, written = values[inputs[name]], values[outputs[name]].ravel()
            if name not in places:
                places[name] = places_of(node, read.shape, positions(node, len(samples)))
            power = float(np.einsum("i,i->", written, written)) / written.size
            found[name] = places[name].patches(read), power
        return found

    moments: dict[str, list[torch.Tensor]] = {name: [] for name in inputs}
    powers = dict.fromkeys(inputs, 0.0)
    for number, found in enumerate(in_parallel(look, samples, at_once)):
        for name, (patches, power) in found.items():
            powers[name] += power
            least = LEAST_POWER * powers[name] / (number + 1) + 1e-12
            _add_moments(moments[name], patches, 1 / (power + least))
    return {name: [each.numpy() for each in blocks] for name, blocks in moments.items()}


def has_patches(node: ir.Node) -> bool:
    """Whether `places_of` takes a product: its pads must be explicit."""
    pads = node.attributes.get_string("auto_pad", "NOTSET")
    return node.op_type == "Gemm" or (node.op_type == "Conv" and pads == "NOTSET")


def _name(node: ir.Node, is_input: bool) -> str:
    value = node.inputs[0] if is_input else node.outputs[0]
    assert value is not None
    return str(value.name)


def _add_moments(blocks: list[torch.Tensor], patches: Float32, weight: float) -> None:
    """Add the second moments of one sample's patches to those of the others."""
    import torch

    groups, count, positions = patches.shape
    if not blocks:
        extents = [min(BLOCK, count - at) for at in range(0, count, BLOCK)]
        blocks += [torch.zeros((groups, extent, extent)) for extent in extents]
    rows = torch.from_numpy(patches)
    for number, block in enumerate(blocks):
        part = rows[:, BLOCK * number : BLOCK * (number + 1)]
        block.baddbmm_(part, part.transpose(1, 2), alpha=weight / positions)


def positions(node: ir.Node, samples: int) -> int:
    """How many output positions of each of so many samples are looked at."""
    count = min(BLOCK, int(np.prod(weight_of(node).shape[1:])))
    return min(MOST_POSITIONS, max(FEWEST_POSITIONS, FOR_EACH_WEIGHT * count // samples))


@dataclass(frozen=True)
class Places:
    """Where output positions of a Conv or Gemm read: one sample's patches at any time.

    Attributes:
        index: (kernel, positions), of the input's places without its channels.
        is_inside: (kernel, positions), 0 where padding is read; None where none is.
    """

    groups: int
    index: Int64
    is_inside: Float32 | None = None

    def patches(self, values: Float32) -> Float32:
        """What each position reads: (groups, weights of a channel, positions).

        Args:
            values: the product's input, (N, C, …) or (N, K).
        """
        rows = values.swapaxes(0, 1).reshape(values.shape[1], -1)
        picked = rows.take(self.index, axis=1)
        if self.is_inside is not None:
            picked *= self.is_inside
        return picked.reshape(self.groups, -1, self.index.shape[1])


def places_of(node: ir.Node, shape: Sequence[int], most: int = MOST_POSITIONS) -> Places:
    """The places that output positions of a Conv or Gemm read.

    Args:
        shape: of the product's input.
        most: positions that are taken, spread alike over all.
    """
    if node.op_type == "Gemm":
        return Places(1, np.arange(shape[0])[None])
    kernel = weight_of(node).shape[2:]
    axes = len(kernel)
    strides, dilations = (
        node.attributes.get_ints(name, [1] * axes) for name in ("strides", "dilations")
    )
    pads = node.attributes.get_ints("pads", [0] * (2 * axes))
    reach = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
    extents = [
        (shape[2 + axis] + pads[axis] + pads[axes + axis] - reach[axis]) // strides[axis] + 1
        for axis in range(axes)
    ]
    total = shape[0] * int(np.prod(extents))
    chosen = np.linspace(0, total - 1, min(total, most)).round().astype(int)
    sample, *corner = np.unravel_index(chosen, (shape[0], *extents))
    within = np.indices(kernel).reshape(axes, -1, 1)
    read = [
        corner[axis] * strides[axis] + within[axis] * dilations[axis] - pads[axis]
        for axis in range(axes)
    ]
    is_inside = np.all(
        [(at >= 0) & (at < extent) for at, extent in zip(read, shape[2:], strict=True)], axis=0
    )
    everywhere = [np.broadcast_to(sample, read[0].shape), *read]
    index = np.ravel_multi_index(everywhere, (shape[0], *shape[2:]), mode="clip")
    groups = node.attributes.get_int("group", 1)
    return Places(groups, index, None if is_inside.all() else is_inside.astype(np.float32))
