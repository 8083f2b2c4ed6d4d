"""What 8 bits could hold of a float result, noted in the QDQ graph for those who need it.

The result of the last sum stays float in the QDQ graph. Formats whose kernels have no float result
of an integer sum still need scale and zero point; they are measured with the rest, so that nobody
quantises twice, and ride along as metadata of the value.
"""

from __future__ import annotations

import onnx_ir as ir

from edgecnn_exporters.quantise.encoding import Encoding

SCALE, ZERO_POINT = "edgecnn.scale", "edgecnn.zero_point"


def note_encoding(value: ir.Value, encoding: Encoding) -> None:
    """The value says how 8 bits would hold it."""
    value.metadata_props[SCALE] = repr(encoding.scale)
    value.metadata_props[ZERO_POINT] = str(encoding.zero_point)


def noted_encoding(value: ir.Value) -> Encoding | None:
    """What was noted on the value; None where nothing was."""
    props = value.metadata_props
    if SCALE not in props or ZERO_POINT not in props:
        return None
    return Encoding(float(props[SCALE]), int(props[ZERO_POINT]))
