"""Strict parser of an artefact's entry in a manifest."""

from __future__ import annotations

import re
from typing import Literal

from edgecnn_runtime.bundle.json_fields import JsonFields, each, kind_of, number, shown, text
from edgecnn_runtime.errors import ManifestInvalid
from edgecnn_runtime.manifest import PRECISIONS, PROOF_KINDS, Artefact


def artefact_from_json(value: object, where: str) -> Artefact:
    """Read an artefact strictly.

    Raises:
        ManifestInvalid: a field is missing, unknown, of the wrong type or out of range.
    """
    fields = JsonFields(value, where)
    artefact = Artefact(
        path=fields.take("path", str),
        format=fields.take("format", str),
        precision=fields.choice("precision", PRECISIONS),
        proof=fields.choice("proof", PROOF_KINDS),
        graph=fields.optional("graph", _sha256),
        compiler=fields.optional("compiler", text),
        sqnr_db=fields.optional("sqnr_db", _sqnr_db) or {},
        outside_db=fields.optional("outside_db", _sqnr_db) or {},
        is_weak=fields.optional("weak", _flag) or False,
        layout=fields.optional("layout", _nhwc),
        weights=fields.optional("weights", text),
        encodings=fields.optional("encodings", _encodings) or {},
        target=fields.optional("target", text),
        flags=fields.optional("flags", _texts) or (),
        on_cpu=fields.optional("on_cpu", _counts) or {},
        report=fields.optional("report", text),
        companions=fields.optional("companions", _texts) or (),
    )
    fields.finish()
    return artefact


def artefact_of_schema_1(value: object, where: str) -> Artefact:
    """An artefact of schema 1, with one SQNR over all outputs."""
    fields = JsonFields(value, where)
    artefact = Artefact(
        path=fields.take("path", str),
        format=fields.take("format", str),
        precision=fields.choice("precision", PRECISIONS),
        pooled_db=fields.optional("sqnr_db", number),
        layout=fields.optional("layout", _nhwc),
        weights=fields.optional("weights", text),
        encodings=fields.optional("encodings", _encodings) or {},
    )
    fields.finish()
    return artefact


def _sqnr_db(value: object, where: str) -> dict[str, tuple[float, ...]]:
    if not isinstance(value, dict) or not all(isinstance(v, list) for v in value.values()):
        raise ManifestInvalid(f"{where} is {shown(value)}, expected output → [dB of each group]")
    return {name: each(listed, f"{where}[{name!r}]", number) for name, listed in value.items()}


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ManifestInvalid(f"{where} is {shown(value)}, expected a list of texts")
    return each(value, where, text)


def _counts(value: object, where: str) -> dict[str, int]:
    if not isinstance(value, dict) or not all(
        isinstance(count, int) and not isinstance(count, bool) and count > 0
        for count in value.values()
    ):
        raise ManifestInvalid(f"{where} is {shown(value)}, expected operator → count")
    return {str(name): int(count) for name, count in value.items()}


def _flag(value: object, where: str) -> bool:
    if isinstance(value, bool):
        return value
    raise ManifestInvalid(f"{where} is {shown(value)}, expected true or false")


def _sha256(value: object, where: str) -> str:
    if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value):
        return value
    raise ManifestInvalid(f"{where} is {shown(value)}, expected a sha256 in hex")


def _nhwc(value: object, where: str) -> Literal["NHWC"]:
    if value == "NHWC":
        return "NHWC"
    raise ManifestInvalid(f"{where} is {shown(value)}, expected 'NHWC' or no such field")


def _encodings(value: object, where: str) -> dict[str, tuple[float, int]]:
    if not isinstance(value, dict):
        raise ManifestInvalid(f"{where} is {kind_of(value)}, expected an object")
    return {name: _encoding(pair, f"{where}[{name!r}]") for name, pair in value.items()}


def _encoding(value: object, where: str) -> tuple[float, int]:
    if not isinstance(value, list) or len(value) != 2:
        raise ManifestInvalid(f"{where} is {shown(value)}, expected [scale, zero_point]")
    fields = JsonFields({"scale": value[0], "zero_point": value[1]}, where)
    scale, zero_point = fields.number("scale"), fields.take("zero_point", int)
    # float32 is what engines hold a scale in: below its normal numbers a division overflows.
    if scale < 2**-126 or not -128 <= zero_point <= 255:
        raise ManifestInvalid(
            f"{where} is {shown(value)}, expected a positive scale and a zero point of 8 bits"
        )
    return scale, zero_point
