"""Strict check of JSON values against the dataclasses of `edgecnn.results.schemas`."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from edgecnn.results.schemas import SCHEMAS


def check_document(document: Mapping[str, Any], schema: str) -> None:
    """Check that the document has exactly the fields of its schema, each of its type.

    Raises:
        AssertionError: names every field that is missing, unknown or of another type.
    """
    assert document.get("schema") == schema, f"schema {document.get('schema')!r}, not {schema}"
    fields = {key: value for key, value in document.items() if key != "schema"}
    wrong = mismatches(fields, SCHEMAS[schema].document)
    assert not wrong, "\n".join(wrong)


def mismatches(value: object, kind: Any, where: str = "") -> list[str]:
    """What in a JSON value is not of the type, one line each; ``where`` is the path to it.

    JSON has no infinity and no NaN: a float may be null.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return []
    if origin in (Union, types.UnionType):
        tried = [mismatches(value, each, where) for each in arguments]
        return min(tried, key=len)
    if origin is Literal:
        return [] if value in arguments else [f"{where}: {value!r} is none of {arguments}"]
    if origin is tuple:
        return _of_list(value, arguments, where)
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no object"]
        return [w for k, v in value.items() for w in mismatches(v, arguments[1], f"{where}.{k}")]
    if dataclasses.is_dataclass(kind):
        return _of_fields(value, kind, where)
    return [] if _is_scalar(value, kind) else [f"{where}: {value!r} is no {kind}"]


def _of_list(value: object, arguments: tuple[Any, ...], where: str) -> list[str]:
    if not isinstance(value, list):
        return [f"{where}: {value!r} is no list"]
    kinds = [arguments[0]] * len(value) if arguments[1:] == (...,) else [*arguments]
    if len(kinds) != len(value):
        return [f"{where}: {len(value)} values, expected {len(kinds)}"]
    pairs = enumerate(zip(value, kinds, strict=True))
    return [w for at, (each, kind) in pairs for w in mismatches(each, kind, f"{where}[{at}]")]


def _of_fields(value: object, kind: Any, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    hints = get_type_hints(kind)
    known = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    wrong = [f"{where}.{name}: missing" for name in known if name not in value]
    wrong += [f"{where}.{name}: unknown" for name in value if name not in known]
    shared = [name for name in known if name in value]
    return wrong + [w for n in shared for w in mismatches(value[n], known[n], f"{where}.{n}")]


def _is_scalar(value: object, kind: Any) -> bool:
    if kind is float:
        return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is type(None):
        return value is None
    return isinstance(value, kind)
