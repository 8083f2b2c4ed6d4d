"""Cause: an operator that is added, missing or replaced by another."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.allowance import PRODUCTS, measure_error
from edgecnn_exporters.diagnose.causes.case import Case, Cause, CauseFinding, named, operators_of
from edgecnn_exporters.diagnose.sources import run_onnx
from edgecnn_exporters.diagnose.weights import input_of, reals
from edgecnn_exporters.passes.graph import set_constant
from edgecnn_runtime.errors import EngineError

MOVES = frozenset({"Pad", "Transpose", "Reshape", "Flatten", "Slice", "Squeeze", "Unsqueeze"})


def other_operators(case: Case) -> Iterator[CauseFinding]:
    """Findings where the region's operators are not the original's.

    The fix combines the original's operators with the candidate's weights: if that is right, the
    operators are the cause and not the numbers.
    """
    ours, theirs = operators_of(case.ours), operators_of(case.theirs)
    kinds = [node.op_type for node in ours], [node.op_type for node in theirs]
    if kinds[0] == kinds[1]:
        return
    changes = _changes(ours, theirs)
    phrases = [_phrase(own, other) for own, other in changes]
    places = [node for own, other in changes for node in (*own, *other)]
    touched = {node.op_type for node in places}
    cause = Cause.LAYOUT if touched <= MOVES else Cause.KERNEL
    sentence = "; ".join(phrases)
    original = ", ".join(map(describe, ours))
    ratio = _with_our_operators(case)
    yield CauseFinding(cause, sentence, f"compute {original} here", ratio, named(places[0]))


def _changes(
    ours: list[ir.Node], theirs: list[ir.Node]
) -> list[tuple[list[ir.Node], list[ir.Node]]]:
    """Smallest set of replacements between two regions' operators; equal names match first."""
    best = np.zeros((len(ours) + 1, len(theirs) + 1))
    for i, own in enumerate(ours):
        for j, other in enumerate(theirs):
            taken = best[i, j] + _likeness(own, other)
            best[i + 1, j + 1] = max(taken, best[i, j + 1], best[i + 1, j])
    changes: list[tuple[list[ir.Node], list[ir.Node]]] = [([], [])]
    i, j = len(ours), len(theirs)
    while i or j:
        likeness = _likeness(ours[i - 1], theirs[j - 1]) if i and j else 0.0
        if likeness and best[i, j] == best[i - 1, j - 1] + likeness:
            i, j = i - 1, j - 1
            changes.insert(0, ([], []))
        elif i and best[i, j] == best[i - 1, j]:
            i -= 1
            changes[0][0].insert(0, ours[i])
        else:
            j -= 1
            changes[0][1].insert(0, theirs[j])
    return [change for change in changes if change[0] or change[1]]


def _likeness(own: ir.Node, other: ir.Node) -> float:
    """Likeness of two nodes: 0 for different operators, 1 for the same, 2 with the same name."""
    if own.op_type != other.op_type:
        return 0.0
    return 2.0 if own.name == other.name else 1.0


def _phrase(ours: list[ir.Node], theirs: list[ir.Node]) -> str:
    wanted, actual = " and ".join(map(describe, ours)), " and ".join(map(describe, theirs))
    if not theirs:
        return f"{wanted} is missing"
    if not ours:
        return f"{actual} is not in the original"
    return (
        f"activation {actual} where the original has {wanted}"
        if _is_activation(ours)
        else f"{actual} where the original has {wanted}"
    )


def _is_activation(nodes: list[ir.Node]) -> bool:
    return len(nodes) == 1 and nodes[0].op_type not in {*PRODUCTS, *MOVES, "Resize", "Concat"}


def describe(node: ir.Node) -> str:
    """The operator, with the bounds of a Clip."""
    if node.op_type != "Clip":
        return node.op_type
    low, high = (reals(input_of(node, index)) for index in (1, 2))
    lowest = "-∞" if low is None else f"{low.item():g}"
    highest = "∞" if high is None else f"{high.item():g}"
    return f"Clip({lowest}, {highest})"


def _with_our_operators(case: Case) -> float:
    copy = case.ours.clone()
    products = [node for node in operators_of(copy) if node.op_type in PRODUCTS]
    others = [node for node in operators_of(case.theirs) if node.op_type in PRODUCTS]
    if len(products) == len(others):
        for own, other in zip(products, others, strict=True):
            _take_numbers(copy.graph, own, other)
    try:
        (output,) = run_onnx(copy, [str(copy.graph.outputs[0].name)], case.given)
    except EngineError:  # the candidate's weights do not fit the original's operators
        return float(np.inf)
    if case.point.encoding is not None:
        output = case.point.encoding.fake_quantise(output)
    return measure_error(case.expected, output, case.allowed).ratio


def _take_numbers(graph: ir.Graph, own: ir.Node, other: ir.Node) -> None:
    for index in (1, 2):
        mine, numbers = reals(input_of(own, index)), reals(input_of(other, index))
        if mine is not None and numbers is not None and mine.shape == numbers.shape:
            set_constant(graph, own, index, numbers.astype(np.float32), f"{own.name}.{index}")
