"""Cause: a node that reads its inputs in another order, or reads another value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.align import Encoding8
from edgecnn_exporters.diagnose.causes.case import (
    BORDERS,
    Case,
    Cause,
    CauseFinding,
    named,
    operators_of,
)
from edgecnn_exporters.diagnose.isolate import FED
from edgecnn_exporters.diagnose.weights import reals
from edgecnn_exporters.passes.graph import new_initialiser

# A fed value's name, the place of the operator that computes a value, or nothing for a constant.
Operand = str | int | None


def other_operands(case: Case) -> Iterator[CauseFinding]:
    """Every node whose operands are the original's in another order, or others."""
    ours, theirs = operators_of(case.ours), operators_of(case.theirs)
    if [node.op_type for node in ours] != [node.op_type for node in theirs]:
        return
    for place, (own, other) in enumerate(zip(ours, theirs, strict=True)):
        wanted, actual = _operands(own, ours), _operands(other, theirs)
        if wanted == actual or len(wanted) != len(actual):
            continue
        if sorted(map(str, wanted)) == sorted(map(str, actual)):
            yield _order(case, place, wanted, actual, own, ours)
        else:
            yield from _source(case, place, wanted, actual, own)


def _order(
    case: Case, place: int, wanted: list[Operand], actual: list[Operand], own: ir.Node,
    ours: Sequence[ir.Node],
) -> CauseFinding:  # fmt: skip
    def edit(model: ir.Model) -> None:
        node = operators_of(model)[place]
        values, left = list(node.inputs), list(range(len(actual)))
        for index, operand in enumerate(wanted):
            taken = next(at for at in left if actual[at] == operand)
            left.remove(taken)
            node.replace_input_with(index, values[taken])

    names = [", ".join(_name(each, ours) for each in each_side) for each_side in (actual, wanted)]
    sentence = f"inputs are in the order {names[0]} where the original has {names[1]}"
    cause = Cause.LAYOUT if own.op_type == "Concat" else Cause.KERNEL
    fix = f"read the inputs in the order {names[1]}"
    return CauseFinding(cause, sentence, fix, case.ratio_after(edit), named(own))


def _source(
    case: Case, place: int, wanted: list[Operand], actual: list[Operand], own: ir.Node
) -> Iterator[CauseFinding]:
    pairs = list(zip(wanted, actual, strict=True))
    other = [index for index, (one, two) in enumerate(pairs) if one != two]
    if not all(
        isinstance(one, str) and isinstance(two, str) for one, two in map(pairs.__getitem__, other)
    ):
        return

    def edit(model: ir.Model) -> None:
        node = operators_of(model)[place]
        for index in other:
            node.replace_input_with(index, _feed(model.graph, case, str(wanted[index])))

    words = [f"{pairs[index][1]} where the original reads {pairs[index][0]}" for index in other]
    fix = f"read {', '.join(str(wanted[index]) for index in other)}"
    yield CauseFinding(
        Cause.KERNEL, f"reads {'; '.join(words)}", fix, case.ratio_after(edit), named(own)
    )


def _feed(graph: ir.Graph, case: Case, name: str) -> ir.Value:
    """A value that is fed to the region, in the candidate's encoding of it."""
    known = {str(value.name): value for value in graph.inputs}
    fed = next((each for each in (f"{name}{FED}", name) if each in case.feeds), f"{name}{FED}")
    if fed not in known:
        known[fed] = ir.Value(name=fed, type=ir.TensorType(ir.DataType.FLOAT))
        graph.inputs.append(known[fed])
    point = case.cut.points.get(name)
    if point is None or point.encoding is None:
        return known[fed]
    return _through(graph, known[fed], point.encoding)


def _through(graph: ir.Graph, value: ir.Value, encoding: Encoding8) -> ir.Value:
    """The value after a QuantizeLinear and a DequantizeLinear."""
    kind = np.uint8 if encoding.low == 0 else np.int8
    name = f"{value.name}.again"
    numbers = [
        new_initialiser(graph, f"{name}.scale", np.array(encoding.scale, np.float32)),
        new_initialiser(graph, f"{name}.zero", np.array(encoding.zero_point, kind)),
    ]
    first = next(iter(graph))
    for operator in ("QuantizeLinear", "DequantizeLinear"):
        node = ir.node(operator, [value, *numbers], name=f"{name}.{operator}")
        graph.insert_before(first, [node])
        value = node.outputs[0]
        value.name = str(node.name)
    return value


def _operands(node: ir.Node, operators: Sequence[ir.Node]) -> list[Operand]:
    return [_operand(value, operators) for value in node.inputs]


def _operand(value: ir.Value | None, operators: Sequence[ir.Node]) -> Operand:
    if value is None or reals(value) is not None:
        return None
    node = value.producer()
    while node is not None and node.op_type in BORDERS and node.inputs:
        value = node.inputs[0]
        node = None if value is None else value.producer()
    if node is not None:
        return operators.index(node) if node in operators else None
    return None if value is None else str(value.name).removesuffix(FED)


def _name(operand: Operand, operators: Sequence[ir.Node]) -> str:
    if isinstance(operand, int):
        return str(operators[operand].outputs[0].name)
    return "a constant" if operand is None else operand
