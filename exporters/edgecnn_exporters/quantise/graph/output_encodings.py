"""Encodings of the float outputs of a QDQ graph, noted as metadata for formats that need them.

The result of the last sum stays float in the QDQ graph. Formats whose kernels have no float result
of an integer sum still need scale and zero point; they are measured with the rest, so that nothing
is quantised twice, and are kept as metadata of the value; where none would serve, the reason is.
"""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_runtime.encoding import Encoding

SCALE, ZERO_POINT = "edgecnn.scale", "edgecnn.zero_point"
FLOAT = "edgecnn.float"


def note_encoding(value: ir.Value, encoding: Encoding) -> None:
    """Note an encoding on a value."""
    value.metadata_props[SCALE] = repr(encoding.scale)
    value.metadata_props[ZERO_POINT] = str(encoding.zero_point)


def noted_encoding(value: ir.Value) -> Encoding | None:
    """The encoding noted on a value; None where nothing was."""
    props = value.metadata_props
    if SCALE not in props or ZERO_POINT not in props:
        return None
    return Encoding(float(props[SCALE]), int(props[ZERO_POINT]))


def note_float(value: ir.Value, reason: str) -> None:
    """Note on a value why no 8-bit encoding serves it."""
    value.metadata_props[FLOAT] = reason


def noted_float(value: ir.Value) -> str | None:
    """Why no 8-bit encoding serves a value; None where nothing was noted."""
    return value.metadata_props.get(FLOAT)
