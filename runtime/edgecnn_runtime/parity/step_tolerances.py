"""Tolerances of a training graph's step, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgecnn_runtime.parity.training_step import StepError


@dataclass(frozen=True)
class StepTolerance:
    """Largest errors of a step, as `StepError` has them."""

    gradient: float
    loss: float


STEP_TOLERANCES: Mapping[Literal["fp32", "int8"], StepTolerance] = {
    # Single precision against double.
    "fp32": StepTolerance(1e-3, 1e-4),
    # Integer kernels round the features of the frozen layers to a neighbouring step.
    "int8": StepTolerance(1e-1, 1e-2),
}


def is_step_within(error: StepError, backbone: Literal["fp32", "int8"]) -> bool:
    """Whether a step is the golden one, but for rounding."""
    limit = STEP_TOLERANCES[backbone]
    return error.gradient <= limit.gradient and error.loss <= limit.loss


def step_limit(backbone: Literal["fp32", "int8"]) -> str:
    """The tolerances in words."""
    limit = STEP_TOLERANCES[backbone]
    return f"gradient ≤ {limit.gradient:.0e}, loss ≤ {limit.loss:.0e}"
