"""Cause: a wrong operator attribute, or a wrong constant that is not a weight (the bounds of a
Clip, the sizes of a Resize)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx_ir as ir
from onnx.defs import SchemaError, get_schema

from edgecnn_exporters.diagnose.allowance import PRODUCTS
from edgecnn_exporters.diagnose.causes.case import Case, Cause, CauseFinding, named, operators_of
from edgecnn_exporters.diagnose.weights import input_of, reals
from edgecnn_exporters.passes.graph import set_constant
from edgecnn_runtime.arrays import Array

_LAYOUT = frozenset({"pads", "auto_pad", "axis", "axes", "perm", "kernel_shape"})
# What an attribute is where it is left out and the schema names no default.
_LISTS = {"pads": 0, "strides": 1, "dilations": 1}
# Nothing that changes what is computed.
_IDLE = frozenset({"training_mode", "storage_order", "cubic_coeff_a", "momentum"})


def other_attributes(case: Case) -> Iterator[CauseFinding]:
    """Every attribute and every constant that is not the original's, mended one at a time.

    Where no single one mends the node, all of them together are tried.
    """
    ours, theirs = operators_of(case.ours), operators_of(case.theirs)
    if [node.op_type for node in ours] != [node.op_type for node in theirs]:
        return
    found: list[_Change] = []
    for index, (own, other) in enumerate(zip(ours, theirs, strict=True)):
        found += [(index, own, name) for name in _other_names(own, other)]
        found += [(index, own, at) for at in _other_constants(own, other)]
    for each in found:
        yield _finding(case, [each], theirs)
    if len(found) > 1:
        yield _finding(case, found, theirs)


_Change = tuple[int, ir.Node, Any]


def _finding(case: Case, changes: list[_Change], theirs: list[ir.Node]) -> CauseFinding:
    def edit(model: ir.Model) -> None:
        nodes = operators_of(model)
        for index, own, what in changes:
            _copy(model.graph, own, nodes[index], what)

    sentence = "; ".join(_sentence(own, theirs[index], what) for index, own, what in changes)
    is_layout = all(isinstance(what, str) and what in _LAYOUT for _, _, what in changes)
    words = ", ".join(f"{_word(own, what)} {_spell(_read(own, what))}" for _, own, what in changes)
    cause = Cause.LAYOUT if is_layout else Cause.KERNEL
    remedy = f"write {words}, as in the original"
    return CauseFinding(cause, sentence, remedy, case.mended(edit), named(changes[0][1]))


def _copy(graph: ir.Graph, own: ir.Node, other: ir.Node, what: Any) -> None:
    if isinstance(what, int):
        array = reals(input_of(own, what))
        assert array is not None
        set_constant(graph, other, what, array, f"{other.name}.{what}.mended")
        return
    other.attributes.pop(what, None)
    if what == "pads":
        other.attributes.pop("auto_pad", None)
    if what in own.attributes:
        other.attributes[what] = own.attributes[what]


def _other_names(own: ir.Node, other: ir.Node) -> list[str]:
    names = sorted({*own.attributes, *other.attributes} - _IDLE)
    if own.op_type in PRODUCTS:
        names = [name for name in names if name != "kernel_shape"]  # the weight says it
    return [name for name in names if not _agree(_read(own, name), _read(other, name))]


def _other_constants(own: ir.Node, other: ir.Node) -> list[int]:
    first = 3 if own.op_type in PRODUCTS else 0
    found = []
    for index in range(first, max(len(own.inputs), len(other.inputs))):
        mine, numbers = reals(input_of(own, index)), reals(input_of(other, index))
        if mine is not None and numbers is not None and not _are_near(mine, numbers):
            found.append(index)
    return found


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


def _read(node: ir.Node, what: Any) -> Any:
    """An attribute as plain values, its default where it is left out; or a constant's reals."""
    if isinstance(what, int):
        return reals(input_of(node, what))
    if what in node.attributes:
        value = node.attributes[what].value
        if isinstance(value, bytes):
            return value.decode()
        return tuple(value) if isinstance(value, (list, tuple)) else value
    if what in _LISTS:
        return ()
    try:
        default = get_schema(node.op_type, node.domain).attributes[what].default_value
    except (SchemaError, KeyError):
        return None
    from onnx.helper import get_attribute_value

    value = get_attribute_value(default) if default.type else None
    return value.decode() if isinstance(value, bytes) else value


def _sentence(own: ir.Node, other: ir.Node, what: Any) -> str:
    if what == "count_include_pad":
        counts = bool(_read(other, what))
        return (
            "the average counts the padding, the original's does not"
            if counts
            else "the average leaves the padding out, the original's counts it"
        )
    mine, theirs = _spell(_fill(own, other, what)), _spell(_fill(other, own, what))
    verb = "are" if str(what).endswith("s") and what != "axis" else "is"
    return f"{_word(own, what)} {verb} {theirs} where the original has {mine}"


def _fill(node: ir.Node, peer: ir.Node, what: Any) -> Any:
    """The attribute; a list that is left out as long as the peer's."""
    value = _read(node, what)
    if value == () and what in _LISTS:
        return (_LISTS[what],) * len(_read(peer, what))
    return value


def _word(node: ir.Node, what: Any) -> str:
    if not isinstance(what, int):
        return str(what)
    try:
        return f"{node.op_type}'s {get_schema(node.op_type, node.domain).inputs[what].name}"
    except (SchemaError, IndexError):
        return f"input {what} of {node.op_type}"


def _spell(value: Any) -> str:
    if isinstance(value, np.ndarray):
        flat = value.ravel()
        words = ",".join(f"{number:g}" for number in flat[:8])
        return words if flat.size <= 8 else f"{words},…"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
