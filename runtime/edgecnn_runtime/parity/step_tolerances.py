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


# Where it is made: single precision against double, on which side of a kink a value lies taken from
# the graph itself.
PROOF = StepTolerance(1e-3, 1e-5)
# Elsewhere other kernels round otherwise: a value near the zero of a Relu falls on the other side.
STEP_TOLERANCES: Mapping[Literal["fp32", "int8"], StepTolerance] = {
    "fp32": StepTolerance(5e-2, 1e-3),
    # Integer kernels round the features of the frozen layers to a neighbouring step.
    "int8": StepTolerance(1e-1, 1e-2),
}


def is_step_proven(error: StepError) -> bool:
    """Whether a step is PyTorch's, where the golden one was made."""
    return _is_within(error, PROOF)


def is_step_within(error: StepError, backbone: Literal["fp32", "int8"]) -> bool:
    """Whether a step is the golden one, but for the rounding of other kernels."""
    return _is_within(error, STEP_TOLERANCES[backbone])


def _is_within(error: StepError, limit: StepTolerance) -> bool:
    return error.gradient <= limit.gradient and error.loss <= limit.loss


def proof_limit() -> str:
    """The tolerances of `is_step_proven` in words."""
    return _words(PROOF)


def step_limit(backbone: Literal["fp32", "int8"]) -> str:
    """The tolerances of `is_step_within` in words."""
    return _words(STEP_TOLERANCES[backbone])


def _words(limit: StepTolerance) -> str:
    return f"gradient ≤ {limit.gradient:.0e}, loss ≤ {limit.loss:.0e}"
