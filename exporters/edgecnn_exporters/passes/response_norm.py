"""Canonical form of local response normalisation (Krizhevsky et al. 2012, section 3.3): LRN."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    constant,
    is_dead,
    is_operator,
    maker,
    rank,
    replace_node,
    scalar,
    static_rest,
    why_shared,
)
from edgecnn_exporters.passes.rewrite import Refusal, RewriteRule, apply_rules


@dataclass(frozen=True)
class Match:
    """x · (bias + alpha · mean of x² over `size` channels)^-beta; `last` computes it."""

    last: ir.Node
    source: ir.Value
    size: int
    alpha: float
    bias: float
    beta: float


class CanonicaliseResponseNorm(ir.passes.InPlacePass):
    """The operators that PyTorch's exporters write for ``LocalResponseNorm`` become ONNX's LRN.

    ``Div(x, Pow(Add(Mul(mean, alpha), bias), beta))`` where the mean is an AveragePool over the
    channels of ``x²``, padded with zeros, in a fifth axis. Left alone: an even number of channels,
    for which PyTorch's window begins one channel before ONNX's, inputs that are not (N, C, H, W)
    with known C, H and W, and any inner node whose output has a second reader.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        return apply_rules(model, RewriteRule(_match, _rewrite))


def _match(node: ir.Node) -> Match | Refusal | None:
    source = node.inputs[0] if is_operator(node, "Div") else None
    power = maker(node.inputs[1], "Pow") if source is not None else None
    if source is None or power is None:
        return None
    beta = scalar(power.inputs[1])
    total, bias = _with_constant(power.inputs[0], "Add")
    mean, alpha = _with_constant(total, "Mul")
    pool = maker(_before_reshapes(mean), "AveragePool")
    if beta is None or bias is None or alpha is None or pool is None:
        return None
    if rank(source) != 4 or static_rest(source) is None:
        return Refusal("its input is not (N, C, H, W) with known C, H and W")
    size = _window(pool, source)
    if isinstance(size, Refusal):
        return size
    for each in _nodes_between(source, node):
        if reason := why_shared(each, "inside it"):
            return Refusal(reason)
    return Match(node, source, size, alpha, bias, beta)


def _with_constant(value: ir.Value | None, operator: str) -> tuple[ir.Value | None, float | None]:
    """(x, c) of x + c or x · c, in any order."""
    node = maker(value, operator)
    if node is not None:
        for one, other in (node.inputs, node.inputs[::-1]):
            if (number := scalar(other)) is not None and constant(one) is None:
                return one, number
    return None, None


def _window(pool: ir.Node, source: ir.Value) -> int | Refusal:
    """Channels over which the AveragePool is the mean of the squares of `source`."""
    pad = maker(pool.inputs[0], "Pad")
    kernel = tuple(pool.attributes.get_ints("kernel_shape", ()))
    size = kernel[0] if len(kernel) == 3 and kernel[1:] == (1, 1) else 0
    if size and size % 2 == 0:
        return Refusal(f"its window of {size} channels begins elsewhere than ONNX's")
    is_plain = set(pool.attributes.get_ints("strides", (1,))) == {1} and not any(
        pool.attributes.get_ints("pads", ())
    )
    other = Refusal("its mean is not that of x² over a window of channels, padded with zeros")
    if pad is None or not size or not is_plain or not _is_padded(pad, size // 2):
        return other
    lifted = pad.inputs[0]
    # (N, C, H, W) as (N, 1, C, H, W), by whichever node.
    if lifted is None or static_rest(lifted) != (1, *(static_rest(source) or ())):
        return other
    return size if _is_square(_before_reshapes(lifted), source) else other


def _nodes_between(source: ir.Value, last: ir.Node) -> list[ir.Node]:
    """The nodes that compute the divisor of `last`, constants left out."""
    nodes: dict[ir.Node, None] = {}
    pending = list(last.inputs[1:])
    while pending:
        value = pending.pop()
        node = value.producer() if value is not None and value is not source else None
        if node is not None and constant(value) is None:
            nodes[node] = None
            # The constants of shape or padding may have other readers.
            pending += node.inputs if is_operator(node, "Add", "Mul") else node.inputs[:1]
    return list(nodes)


def _before_reshapes(value: ir.Value | None) -> ir.Value | None:
    """The value before nodes that change only the shape."""
    while (node := maker(value, "Reshape", "Squeeze", "Unsqueeze")) is not None:
        value = node.inputs[0]
    return value


def _is_padded(pad: ir.Node, channels: int) -> bool:
    """Whether the Pad adds `channels` zeros around the third axis of five, and nothing else."""
    amounts = constant(pad.inputs[1])
    fill = pad.inputs[2] if len(pad.inputs) > 2 else None
    has_axes = len(pad.inputs) > 3 and pad.inputs[3] is not None
    is_zero = fill is None or scalar(fill) == 0
    wanted = [0, 0, channels, 0, 0] * 2
    return (
        pad.attributes.get_string("mode", "constant") == "constant"
        and is_zero
        and not has_axes
        and amounts is not None
        and amounts.tolist() == wanted
    )


def _is_square(value: ir.Value | None, source: ir.Value) -> bool:
    if (node := maker(value, "Mul")) is not None:
        return node.inputs[0] is source and node.inputs[1] is source
    node = maker(value, "Pow")
    return node is not None and node.inputs[0] is source and scalar(node.inputs[1]) == 2


def _rewrite(graph: ir.Graph, match: Match) -> None:
    attributes = {
        "alpha": match.alpha,
        "beta": match.beta,
        "bias": match.bias,
        "size": match.size,
    }
    replaced = [value.producer() for value in match.last.inputs[1:] if value is not None]
    replace_node(graph, match.last, ir.node("LRN", [match.source], attributes))
    while replaced:
        node = replaced.pop()
        if node is not None and node is not match.source.producer() and is_dead(node):
            before = [value.producer() for value in node.inputs if value is not None]
            graph.remove(node, safe=True)
            replaced += before
