"""Strict parser of the training section of a manifest."""

from __future__ import annotations

from edgecnn_runtime.bundle.json_fields import JsonFields, each, shown, text
from edgecnn_runtime.bundle.tensor_json import parameter_from_json, tensor_from_json
from edgecnn_runtime.errors import ManifestInvalid
from edgecnn_runtime.training import (
    LOSSES,
    NORMALISATIONS,
    OPTIMISERS,
    FoldedNorm,
    Head,
    QuantisedLayer,
    SeenRange,
    Training,
)

_BACKBONES = ("fp32", "int8")


def training_from_json(value: object, where: str) -> Training:
    """Read the training section strictly.

    Raises:
        ManifestInvalid: a field is missing, unknown, of the wrong type or out of range.
    """
    fields = JsonFields(value, where)
    training = Training(
        graph=fields.take("graph", str),
        values=fields.take("values", str),
        golden=fields.optional("golden", text),
        backbone=fields.choice("backbone", _BACKBONES),
        loss=fields.choice("loss", LOSSES),
        optimiser=fields.choice("optimiser", OPTIMISERS),
        learning_rate=_within(fields, "learning_rate", where, 0.0, 1e6),
        momentum=_within(fields, "momentum", where, 0.0, 1.0),
        weight_decay=_within(fields, "weight_decay", where, 0.0, 1e6),
        normalisation=fields.choice("normalisation", NORMALISATIONS),
        state=each(fields.take("state", list), f"{where}.state", parameter_from_json),
        statistics=each(
            fields.take("statistics", list), f"{where}.statistics", parameter_from_json
        ),
        random=each(fields.take("random", list), f"{where}.random", tensor_from_json),
        head=fields.optional("head", _head),
        folded=each(fields.take("folded", list), f"{where}.folded", _folded),
        quantised=each(fields.take("quantised", list), f"{where}.quantised", _quantised),
        ranges=each(fields.take("ranges", list), f"{where}.ranges", _seen_range),
        is_int8_written=fields.take("is_int8_written", bool),
    )
    fields.finish()
    if not training.learning_rate or training.momentum == 1.0:
        raise ManifestInvalid(
            f"{where} has learning_rate {training.learning_rate} and momentum {training.momentum}, "
            "expected a positive rate and a momentum below 1"
        )
    return training


def _within(fields: JsonFields, key: str, where: str, low: float, high: float) -> float:
    value = fields.number(key)
    if not low <= value <= high:
        raise ManifestInvalid(f"{where}.{key} is {shown(value)}, expected {low} to {high}")
    return value


def _head(value: object, where: str) -> Head:
    fields = JsonFields(value, where)
    head = Head(fields.take("weight", str), fields.optional("bias", text))
    fields.finish()
    return head


def _axis(fields: JsonFields, where: str) -> int:
    axis = fields.take("axis", int)
    if axis not in (0, 1):
        raise ManifestInvalid(f"{where}.axis is {shown(axis)}, expected 0 or 1")
    return axis


def _folded(value: object, where: str) -> FoldedNorm:
    fields = JsonFields(value, where)
    norm = FoldedNorm(
        weight=fields.take("weight", str),
        bias=fields.optional("bias", text),
        gamma=fields.take("gamma", str),
        beta=fields.take("beta", str),
        mean=fields.take("mean", str),
        variance=fields.take("variance", str),
        epsilon=_within(fields, "epsilon", where, 0.0, 1e6),
        axis=_axis(fields, where),
        folded_weight=fields.take("folded_weight", str),
        folded_bias=fields.take("folded_bias", str),
    )
    fields.finish()
    return norm


def _quantised(value: object, where: str) -> QuantisedLayer:
    fields = JsonFields(value, where)
    layer = QuantisedLayer(
        weight=fields.take("weight", str),
        bias=fields.optional("bias", text),
        input_scale=fields.take("input_scale", str),
        axis=_axis(fields, where),
        bits=fields.take("bits", int),
    )
    fields.finish()
    if not 2 <= layer.bits <= 8:
        raise ManifestInvalid(f"{where}.bits is {layer.bits}, expected 2 to 8")
    return layer


def _seen_range(value: object, where: str) -> SeenRange:
    fields = JsonFields(value, where)
    seen = SeenRange(
        fields.take("value", str), fields.take("scale", str), fields.take("zero_point", str)
    )
    fields.finish()
    return seen
