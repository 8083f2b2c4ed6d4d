"""Mean and deviation of batch-normalised values, noted on them before folding loses them.

A note is no part of the model that is written. Whatever rescales a value takes its note along.
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
        """Those of the output of a batch normalisation."""
        return cls(np.array(beta, np.float64), np.abs(np.array(gamma, np.float64)))


def note(value: ir.Value, found: Moments) -> None:
    """Note the mean and deviation of a value's channels."""
    value.meta[_KEY] = found


def noted(value: ir.Value) -> Moments | None:
    """Noted mean and deviation of a value; None where nothing was noted."""
    found = value.meta.get(_KEY)
    return found if isinstance(found, Moments) else None


def rescale_note(value: ir.Value, factor: Any = 1.0, offset: Any = 0.0) -> None:
    """The value became ``factor · x + offset``, numbers or one for each channel."""
    if (found := noted(value)) is not None:
        note(value, Moments(found.mean * factor + offset, found.deviation * np.abs(factor)))
