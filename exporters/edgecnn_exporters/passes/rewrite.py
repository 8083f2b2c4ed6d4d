"""The driver of rewrite passes: match, rewrite, and note what is left alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import onnx_ir as ir

Matched = TypeVar("Matched")


@dataclass(frozen=True)
class Refusal:
    """Why a pass leaves a node alone that it nearly matches.

    The reason names operators, sizes and numbers, but no node: equal reasons are counted.
    """

    reason: str


@dataclass(frozen=True)
class RewriteRule(Generic[Matched]):
    """A function that matches a node, refuses it, or is not concerned (None); and the rewrite."""

    match: Callable[[ir.Node], Matched | Refusal | None]
    rewrite: Callable[[ir.Graph, Matched], None]


@dataclass
class RewriteResult(ir.passes.PassResult):
    """The result of a rewrite pass, with the nodes that it refused."""

    refusals: tuple[tuple[ir.Node, Refusal], ...] = ()


@dataclass(frozen=True)
class LeftAlone:
    """A node that a pass nearly matched and left as it is.

    Attributes:
        node: its name.
        by: name of the pass.
    """

    node: str
    by: str
    reason: str


@dataclass(frozen=True)
class PassReport:
    """What a list of passes did to a model.

    Attributes:
        changed: names of the passes that changed it, in order of their first change.
        left_alone: the nodes that a pass refused, of those that are still there.
    """

    changed: tuple[str, ...]
    left_alone: tuple[LeftAlone, ...]


def apply_rules(model: ir.Model, *rules: RewriteRule[Any], from_end: bool = False) -> RewriteResult:
    """Apply one rule after the other to every node of the graph.

    Each match is rewritten before the next node is looked at: what a rewrite makes is what the
    next node reads. Nodes that a rewrite removes are not matched any more, and those that it
    inserts are not matched by the same rule.

    Args:
        from_end: go through the graph from its last node to its first.
    """
    graph = model.graph
    modified = False
    refusals: list[tuple[ir.Node, Refusal]] = []
    for rule in rules:
        nodes = list(graph)
        for node in reversed(nodes) if from_end else nodes:
            if node.graph is None:
                continue
            match = rule.match(node)
            if isinstance(match, Refusal):
                refusals.append((node, match))
            elif match is not None:
                rule.rewrite(graph, match)
                modified = True
    remaining = tuple((node, refusal) for node, refusal in refusals if node.graph is not None)
    return RewriteResult(model, modified, remaining)


def pass_name(make: Callable[[], ir.passes.InPlacePass]) -> str:
    """The name of a pass for a person and for the provenance."""
    return make.__name__.removesuffix("Pass")


def left_alone(results: Mapping[str, ir.passes.PassResult]) -> tuple[LeftAlone, ...]:
    """What passes refused, by their names, as far as it is still in the graph."""
    return tuple(
        LeftAlone(str(node.name), name, refusal.reason)
        for name, result in results.items()
        if isinstance(result, RewriteResult)
        for node, refusal in result.refusals
        if node.graph is not None
    )
