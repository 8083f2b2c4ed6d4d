"""Cause: a wrong operator attribute, or a wrong constant that is not a weight (the bounds of a
Clip, the sizes of a Resize)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import onnx_ir as ir
from onnx.defs import SchemaError, get_schema

from edgecnn_exporters.diagnose.allowance import PRODUCTS
from edgecnn_exporters.diagnose.causes.case import Case, Cause, CauseFinding, named, operators_of
from edgecnn_exporters.diagnose.causes.norms import NAMES
from edgecnn_exporters.diagnose.weights import input_of, reals
from edgecnn_exporters.passes.graph import set_constant
from edgecnn_runtime.arrays import Array

_LAYOUT = frozenset({"pads", "auto_pad", "axis", "axes", "perm", "kernel_shape"})
# Values of attributes that are left out, where the schema has no default.
_LISTS = {"pads": 0, "strides": 1, "dilations": 1}
# Attributes that do not change the result.
_IDLE = frozenset({"training_mode", "storage_order", "cubic_coeff_a", "momentum"})


def other_attributes(case: Case) -> Iterator[CauseFinding]:
    """Every attribute and constant that differs from the original's, fixed one at a time.

    Where there are several, all of them together are tried too.
    """
    ours, theirs = operators_of(case.ours), operators_of(case.theirs)
    if [node.op_type for node in ours] != [node.op_type for node in theirs]:
        return
    yield from _exchanged(case, ours, theirs)
    changes: list[_Change] = []
    for index, (own, other) in enumerate(zip(ours, theirs, strict=True)):
        changes += [(index, own, name) for name in _other_names(own, other)]
        changes += [(index, own, at) for at in _other_constants(own, other)]
    for each in changes:
        yield _finding(case, [each], theirs)
    if len(changes) > 1:
        yield _finding(case, changes, theirs)


_Change = tuple[int, ir.Node, Any]


def _exchanged(case: Case, ours: list[ir.Node], theirs: list[ir.Node]) -> Iterator[CauseFinding]:
    """Two constants of an operator, each in the other's place."""
    for place, (own, other) in enumerate(zip(ours, theirs, strict=True)):
        wrong = _other_constants(own, other)
        for first, second in combinations(wrong, 2):
            mine = [reals(input_of(own, index)) for index in (first, second)]
            numbers = [reals(input_of(other, index)) for index in (second, first)]
            if all(
                one is not None and two is not None and _are_near(one, two)
                for one, two in zip(mine, numbers, strict=True)
            ):
                names = " and ".join(_input_name(own, index) for index in (first, second))
                edit = partial(_exchange, place=place, first=first, second=second)
                sentence = f"{own.op_type}: {names} are swapped"
                fix = f"exchange {names}"
                ratio = case.ratio_after(edit)
                yield CauseFinding(Cause.KERNEL, sentence, fix, ratio, named(own))


def _exchange(model: ir.Model, place: int, first: int, second: int) -> None:
    node = operators_of(model)[place]
    one, two = node.inputs[first], node.inputs[second]
    node.replace_input_with(first, two)
    node.replace_input_with(second, one)


def _finding(case: Case, changes: list[_Change], theirs: list[ir.Node]) -> CauseFinding:
    def edit(model: ir.Model) -> None:
        nodes = operators_of(model)
        for index, own, key in changes:
            _copy(model.graph, own, nodes[index], key)

    sentence = "; ".join(_sentence(own, theirs[index], key) for index, own, key in changes)
    is_layout = all(isinstance(key, str) and key in _LAYOUT for _, _, key in changes)
    words = ", ".join(f"{_label(own, key)} {_format(_read(own, key))}" for _, own, key in changes)
    cause = Cause.LAYOUT if is_layout else Cause.KERNEL
    fix = f"write {words}, as in the original"
    return CauseFinding(cause, sentence, fix, case.ratio_after(edit), named(changes[0][1]))


def _copy(graph: ir.Graph, own: ir.Node, other: ir.Node, key: Any) -> None:
    if isinstance(key, int):
        array = reals(input_of(own, key))
        assert array is not None
        set_constant(graph, other, key, array, f"{other.name}.{key}.fixed")
        return
    other.attributes.pop(key, None)
    if key == "pads":
        other.attributes.pop("auto_pad", None)
    if key in own.attributes:
        other.attributes[key] = own.attributes[key]


def _other_names(own: ir.Node, other: ir.Node) -> list[str]:
    names = sorted({*own.attributes, *other.attributes} - _IDLE)
    if own.op_type in PRODUCTS:
        names = [name for name in names if name != "kernel_shape"]  # the weight has that shape
    return [name for name in names if not _agree(_read(own, name), _read(other, name))]


def _other_constants(own: ir.Node, other: ir.Node) -> list[int]:
    first = 3 if own.op_type in PRODUCTS else 0
    places = []
    for index in range(first, max(len(own.inputs), len(other.inputs))):
        mine, numbers = reals(input_of(own, index)), reals(input_of(other, index))
        if mine is not None and numbers is not None and not _are_near(mine, numbers):
            places.append(index)
    return places


def _are_near(one: Array, other: Array) -> bool:
    if one.size != other.size:
        return False
    if one.dtype.kind != "f":
        return bool((one.ravel() == other.ravel()).all())
    # Of a constant in 8 bits: half a step of its own range.
    span = float(np.abs(one).max()) / 254 + 1e-12
    return bool(np.abs(one.ravel() - other.ravel()).max() <= span)


def _agree(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) != len(other):
        short, long = sorted((one, other), key=len)
        return not short and len(set(long)) == 1 and long[0] in (0, 1)
    if isinstance(one, float) and isinstance(other, float):
        return bool(np.isclose(one, other, rtol=1e-6, atol=0))
    return bool(one == other)


def _read(node: ir.Node, key: Any) -> Any:
    """An attribute as plain values, its default where it is left out; or a constant's reals."""
    if isinstance(key, int):
        return reals(input_of(node, key))
    if key in node.attributes:
        value = node.attributes[key].value
        if isinstance(value, bytes):
            return value.decode()
        return tuple(value) if isinstance(value, (list, tuple)) else value
    if key in _LISTS:
        return ()
    try:
        default = get_schema(node.op_type, node.domain).attributes[key].default_value
    except (SchemaError, KeyError):
        return None
    from onnx.helper import get_attribute_value

    value = get_attribute_value(default) if default.type else None
    return value.decode() if isinstance(value, bytes) else value


def _sentence(own: ir.Node, other: ir.Node, key: Any) -> str:
    if key == "count_include_pad":
        counts = bool(_read(other, key))
        return (
            "the average counts the padding, the original's does not"
            if counts
            else "the average leaves the padding out, the original's counts it"
        )
    mine, theirs = _format(_fill(own, other, key)), _format(_fill(other, own, key))
    verb = "are" if str(key).endswith("s") and key != "axis" else "is"
    return f"{_label(own, key)} {verb} {theirs} where the original has {mine}"


def _fill(node: ir.Node, peer: ir.Node, key: Any) -> Any:
    """The attribute; a list that is left out as long as the peer's."""
    value = _read(node, key)
    if key in _LISTS and value == ():
        return (_LISTS[key],) * len(_read(peer, key))
    return value


def _label(node: ir.Node, key: Any) -> str:
    if not isinstance(key, int):
        return str(key)
    return f"{node.op_type}'s {_input_name(node, key)}"


def _input_name(node: ir.Node, index: int) -> str:
    if node.op_type == "BatchNormalization" and 0 < index <= len(NAMES):
        return NAMES[index - 1]
    try:
        return str(get_schema(node.op_type, node.domain).inputs[index].name)
    except (SchemaError, IndexError):
        return f"input {index}"


def _format(value: Any) -> str:
    if isinstance(value, np.ndarray):
        flat = value.ravel()
        words = ",".join(f"{number:g}" for number in flat[:8])
        return words if flat.size <= 8 else f"{words},…"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
