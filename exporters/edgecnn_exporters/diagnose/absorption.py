"""High-bias absorption of the candidate, applied to the reference as well.

Where a channel never falls below c before a Relu, c may move from a layer's bias into the next
layer's (`quantise.steps.absorb`). The values between are then lower by c without being wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.weights import input_of, reals
from edgecnn_exporters.passes.graph import constant, is_operator, set_constant
from edgecnn_exporters.quantise.graph.chains import Pair, by_channel
from edgecnn_runtime.arrays import Array

# Share of the largest bias: bias correction changes a bias by less.
NOTABLE = 0.01
# Largest share of the next bias's error that may remain once the surplus is added to it.
BETTER = 0.5


def absorb_alike(
    graph: ir.Graph, pairs: Sequence[Pair], theirs: Mapping[str, ir.Node]
) -> tuple[str, ...]:
    """Lower the reference's biases that are lower in the candidate, and raise the next ones.

    Only where the next layer's bias compensates: a bias that is merely wrong is left alone.

    Args:
        theirs: the candidate's counterpart of each sum, by its name.

    Returns:
        The names of the sums whose bias was lowered.
    """
    firsts = {str(pair.first.name) for pair in pairs}
    raised: dict[str, Array] = {}
    lowered: dict[str, Array] = {}
    for pair in pairs:
        name, after = str(pair.first.name), str(pair.second.name)
        if not pair.between or not is_operator(pair.between[0], "Relu"):
            continue
        surplus = _surplus(pair.first, theirs[name], raised.get(name))
        moved = None if surplus is None else _moved(pair.second, surplus)
        if surplus is None or moved is None:
            continue
        if _compensates(pair.second, theirs[after], moved, is_free=after in firsts):
            lowered[name], raised[after] = surplus, moved
    for name in lowered.keys() | raised.keys():
        node = next(node for node in graph if node.name == name)
        _shift(graph, node, raised.get(name, 0) - lowered.get(name, np.zeros(1)))
    return tuple(lowered)


def _surplus(own: ir.Node, their: ir.Node, raised: Array | None) -> Array | None:
    """The amount by which each channel's bias is lower in the candidate, (C,); None for none."""
    bias, other = constant(input_of(own, 2)), reals(input_of(their, 2))
    if bias is None or other is None or bias.shape != other.shape:
        return None
    lower = bias - other + (0 if raised is None else raised)
    surplus = np.where(lower > NOTABLE * np.abs(bias).max(), lower, 0)
    return surplus if surplus.any() else None


def _moved(node: ir.Node, surplus: Array) -> Array | None:
    """Change of the next sum's bias: its weight times the surplus, over the kernel, (O,)."""
    if constant(input_of(node, 2)) is None:
        return None
    blocks = by_channel(node, len(surplus)).sum(axis=3)
    parts = surplus.reshape(blocks.shape[0], 1, -1)
    moved: Array = (blocks * parts).sum(axis=2).ravel()
    return moved


def _compensates(own: ir.Node, their: ir.Node, moved: Array, *, is_free: bool) -> bool:
    """Whether the candidate's next bias contains the surplus that was moved into it.

    Where it `is_free`, it may be lower for a surplus of its own: only a higher bias counts then.
    """
    bias, other = constant(input_of(own, 2)), reals(input_of(their, 2))
    if bias is None or other is None or bias.shape != other.shape:
        return False
    without, taken = bias - other, bias + moved - other
    if is_free:
        without, taken = np.minimum(without, 0), np.minimum(taken, 0)
    return bool(np.square(taken).sum() < BETTER**2 * np.square(without).sum())


def _shift(graph: ir.Graph, node: ir.Node, by: Array) -> None:
    bias = constant(input_of(node, 2))
    assert bias is not None
    set_constant(graph, node, 2, (bias + by).astype(np.float32), f"{node.name}.b")
