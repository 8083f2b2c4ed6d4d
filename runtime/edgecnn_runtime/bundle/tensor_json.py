"""Strict parser of a tensor's name, type and shape in a manifest."""

from __future__ import annotations

import math

from edgecnn_runtime.bundle.json_fields import JsonFields, each, shown
from edgecnn_runtime.errors import ManifestInvalid
from edgecnn_runtime.tensor_spec import DTYPES, TensorSpec

# numpy 1 has no more axes.
MAX_AXES = 32
# Of one tensor at batch 1: 128 MB of float32, of which a comparison takes ten times as much.
MAX_NUMBERS = 1 << 25
# Of one weight: VGG's largest has 103 million.
MAX_PARAMETERS = 1 << 30


def tensor_from_json(value: object, where: str) -> TensorSpec:
    """Read an input or output strictly.

    Raises:
        ManifestInvalid: a field is missing, unknown, of the wrong type or out of range.
    """
    return _spec(value, where, MAX_NUMBERS)


def parameter_from_json(value: object, where: str) -> TensorSpec:
    """Read a parameter strictly: it may be larger than an input.

    Raises:
        ManifestInvalid: as `tensor_from_json` says.
    """
    return _spec(value, where, MAX_PARAMETERS)


def _spec(value: object, where: str, most: int) -> TensorSpec:
    fields = JsonFields(value, where)
    spec = TensorSpec(
        name=fields.take("name", str),
        dtype=fields.choice("dtype", tuple(sorted(DTYPES))),
        shape=each(fields.take("shape", list), f"{where}.shape", _extent),
    )
    fields.finish()
    numbers = math.prod(extent or 1 for extent in spec.shape)
    if len(spec.shape) > MAX_AXES or numbers > most:
        raise ManifestInvalid(
            f"{where} has {len(spec.shape)} axes and {numbers} numbers at batch 1, expected at "
            f"most {MAX_AXES} axes and {most} numbers"
        )
    return spec


def _extent(value: object, where: str) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ManifestInvalid(f"{where} is {shown(value)}, expected a positive integer or null")
