"""Engine ``tflite-reference``: TFLite by LiteRT's reference kernels, which define its integers."""

from __future__ import annotations

from typing import ClassVar

from edgecnn_runtime.engines.table import ORACLES
from edgecnn_runtime.engines.tflite import TFLiteEngine

_ENTRY = ORACLES["tflite-reference"]


class TFLiteReferenceEngine(TFLiteEngine):
    """A model in an ``Interpreter`` without fast kernels and delegates: slow, the same anywhere."""

    name: ClassVar[str] = _ENTRY.name
    resolver: ClassVar[str] = "BUILTIN_REF"
