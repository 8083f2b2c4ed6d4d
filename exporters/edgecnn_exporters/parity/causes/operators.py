"""An operator too many, one too few, or another one."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.parity.allowance import PRODUCTS, judge
from edgecnn_exporters.parity.causes.case import Case, Cause, Finding, named, operators_of
from edgecnn_exporters.parity.sources import run_onnx
from edgecnn_exporters.parity.weights import input_of, reals
from edgecnn_exporters.passes.graph import set_constant

MOVES = frozenset({"Pad", "Transpose", "Reshape", "Flatten", "Slice", "Squeeze", "Unsqueeze"})


def other_operators(case: Case) -> Iterator[Finding]:
    """Where the region's operators are not the original's.

    The mend takes the original's operators and the suspect's own weights: if the node is right
    then, the operators were at fault and not the numbers.
    """
    ours, theirs = operators_of(case.ours), operators_of(case.theirs)
    kinds = [node.op_type for node in ours], [node.op_type for node in theirs]
    if kinds[0] == kinds[1]:
        return
    phrases, touched, places = [], set(), []
    for tag, a, b, c, d in SequenceMatcher(None, *kinds, autojunk=False).get_opcodes():
        if tag != "equal":
            phrases.append(_phrase(ours[a:b], theirs[c:d]))
            places += [*ours[a:b], *theirs[c:d]]
            touched |= {node.op_type for node in (*ours[a:b], *theirs[c:d])}
    cause = Cause.LAYOUT if touched <= MOVES else Cause.KERNEL
    sentence = "; ".join(phrases)
    original = ", ".join(map(describe, ours))
    ratio = _with_our_operators(case)
    yield Finding(cause, sentence, f"compute {original} here", ratio, named(places[0]))


def _phrase(ours: list[ir.Node], theirs: list[ir.Node]) -> str:
    wanted, found = " and ".join(map(describe, ours)), " and ".join(map(describe, theirs))
    if not theirs:
        return f"{wanted} is missing"
    if not ours:
        return f"{found} is there, and not in the original"
    return (
        f"activation {found} where the original has {wanted}"
        if _is_activation(ours)
        else f"{found} where the original has {wanted}"
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
        (made,) = run_onnx(copy, [str(copy.graph.outputs[0].name)], case.given)
    except Exception:  # their weights do not fit our operators
        return float(np.inf)
    if case.point.encoding is not None:
        made = case.point.encoding.hold(made)
    return judge(case.expected, made, case.allowed).ratio


def _take_numbers(graph: ir.Graph, own: ir.Node, other: ir.Node) -> None:
    for index in (1, 2):
        mine, numbers = reals(input_of(own, index)), reals(input_of(other, index))
        if mine is not None and numbers is not None and mine.shape == numbers.shape:
            set_constant(graph, own, index, numbers.astype(np.float32), f"{own.name}.{index}")
