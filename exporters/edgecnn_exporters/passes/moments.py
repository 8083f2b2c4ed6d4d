"""Mean and deviation of batch-normalised values, noted on them before folding loses them.

A note is not part of the serialised model. A rewrite that rescales a value rescales its note.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from edgecnn_runtime.arrays import Float64

_KEY = "edgecnn.moments"


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of each channel of a value: (C,) both.

    Batch normalisation brings every channel to mean 0 and variance 1, then to beta and gamma.
    """

    mean: Float64
    deviation: Float64

    @classmethod
    def of_norm(cls, gamma: Any, beta: Any) -> Moments:
        """The moments of the output of a batch normalisation."""
        return cls(np.array(beta, np.float64), np.abs(np.array(gamma, np.float64)))


def note(value: ir.Value, moments: Moments) -> None:
    """Note the mean and deviation of a value's channels."""
    value.meta[_KEY] = moments


def noted(value: ir.Value) -> Moments | None:
    """Noted mean and deviation of a value; None where nothing was noted."""
    moments = value.meta.get(_KEY)
    return moments if isinstance(moments, Moments) else None


def rescale_note(value: ir.Value, factor: Any = 1.0, offset: Any = 0.0) -> None:
    """Rescale the note of a value that became ``factor · x + offset``, scalars or by channel."""
    if (moments := noted(value)) is not None:
        note(value, Moments(moments.mean * factor + offset, moments.deviation * np.abs(factor)))
