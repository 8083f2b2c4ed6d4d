"""Order of nodes that leads from values in memory to the values that are wanted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import onnx_ir as ir


@dataclass(frozen=True)
class Scheduled:
    """A node to be computed.

    Attributes:
        last_read: names of values that nothing reads after it.
    """

    node: ir.Node
    last_read: tuple[str, ...]


def schedule(graph: ir.Graph, given: Collection[str], wanted: Collection[str]) -> list[Scheduled]:
    """The nodes between given values and wanted ones, in the graph's order.

    Raises:
        KeyError: a wanted value is neither given nor follows from what is given and constants.
    """
    values = {str(value.name): value for node in graph for value in node.outputs}
    needed: set[ir.Node] = set()
    pending = [name for name in wanted if name not in given]
    while pending:
        name = pending.pop()
        node = values[name].producer()
        assert node is not None
        if node not in needed:
            needed.add(node)
            pending += [each for each in reads(node) if each not in given]
    nodes = [node for node in graph if node in needed]
    return [
        Scheduled(node, unread)
        for node, unread in zip(nodes, _last_reads(nodes, wanted), strict=True)
    ]


def reads(node: ir.Node) -> list[str]:
    """Names of the values that a node reads, constants left out."""
    return [
        str(value.name)
        for value in node.inputs
        if value is not None and value.const_value is None and value.name
    ]


def _last_reads(nodes: Sequence[ir.Node], wanted: Collection[str]) -> list[tuple[str, ...]]:
    seen = set(wanted)
    last: list[tuple[str, ...]] = []
    for node in reversed(nodes):
        new = {*reads(node), *(str(value.name) for value in node.outputs)} - seen
        last.append(tuple(sorted(new)))
        seen |= new
    return last[::-1]
