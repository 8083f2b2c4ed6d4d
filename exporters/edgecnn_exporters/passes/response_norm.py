"""Local response normalisation (Krizhevsky et al. 2012, section 3.3) as the one node that it is."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from edgecnn_exporters.passes.graph import (
    constant,
    is_dead,
    is_operator,
    producer,
    rank,
    replace_node,
    scalar,
    static_rest,
)


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
    """What PyTorch's exporters make of ``LocalResponseNorm`` becomes ONNX's LRN.

    ``Div(x, Pow(Add(Mul(mean, alpha), bias), beta))`` where the mean is an AveragePool over the
    channels of ``x²``, padded with zeros, in a fifth axis. Left alone: an even number of channels,
    for which PyTorch's window begins one channel before ONNX's, inputs that are not (N, C, H, W)
    with known C, H and W, and any inner node whose output has a second reader.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        modified = False
        for node in list(model.graph):
            if node.graph is not None and (match := _match(node)):
                _rewrite(model.graph, match)
                modified = True
        return ir.passes.PassResult(model, modified=modified)


def _match(node: ir.Node) -> Match | None:
    source = node.inputs[0] if is_operator(node, "Div") else None
    power = producer(node.inputs[1], "Pow") if source is not None else None
    if source is None or power is None or rank(source) != 4 or static_rest(source) is None:
        return None
    beta = scalar(power.inputs[1])
    total, bias = _with_constant(power.inputs[0], "Add")
    mean, alpha = _with_constant(total, "Mul")
    size = _window(mean, source)
    if None in (beta, bias, alpha, size):
        return None
    assert beta is not None
    assert bias is not None
    assert alpha is not None
    assert size is not None
    return Match(node, source, size, alpha, bias, beta)


def _with_constant(value: ir.Value | None, operator: str) -> tuple[ir.Value | None, float | None]:
    """(x, c) of x + c or x · c, in any order."""
    node = producer(value, operator)
    if node is not None:
        for one, other in (node.inputs, node.inputs[::-1]):
            if (number := scalar(other)) is not None and constant(one) is None:
                return one, number
    return None, None


def _window(mean: ir.Value | None, source: ir.Value) -> int | None:
    """Channels over which `mean` is the mean of the squares of `source`."""
    pool = producer(_before_reshapes(mean), "AveragePool")
    pad = producer(pool.inputs[0], "Pad") if pool is not None else None
    if pool is None or pad is None:
        return None
    kernel = tuple(pool.attributes.get_ints("kernel_shape", ()))
    size = kernel[0] if len(kernel) == 3 and kernel[1:] == (1, 1) else 0
    is_plain = set(pool.attributes.get_ints("strides", (1,))) == {1} and not any(
        pool.attributes.get_ints("pads", ())
    )
    if size % 2 == 0 or not is_plain or not _is_padded(pad, size // 2):
        return None
    lifted = pad.inputs[0]
    # (N, C, H, W) as (N, 1, C, H, W), whichever node made it so.
    if lifted is None or static_rest(lifted) != (1, *(static_rest(source) or ())):
        return None
    return size if _is_square(_before_reshapes(lifted), source) else None


def _before_reshapes(value: ir.Value | None) -> ir.Value | None:
    """What nodes that change nothing but the shape were given."""
    while value is not None:
        node = next(
            (
                found
                for operator in ("Reshape", "Squeeze", "Unsqueeze")
                if (found := producer(value, operator))
            ),
            None,
        )
        if node is None:
            return value
        value = node.inputs[0]
    return None


def _is_padded(pad: ir.Node, channels: int) -> bool:
    """Whether zeros, and nothing else, stand `channels` before and after the third axis of five."""
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
    if (node := producer(value, "Mul")) is not None:
        return node.inputs[0] is source and node.inputs[1] is source
    node = producer(value, "Pow")
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
