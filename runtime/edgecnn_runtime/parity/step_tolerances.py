"""Tolerances of a training graph's step, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgecnn_runtime.parity.training_step import StepError
from edgecnn_runtime.training import Normalisation, Training


@dataclass(frozen=True)
class StepTolerance:
    """Largest errors of a step, as `StepError` has them."""

    gradient: float
    loss: float

    def __str__(self) -> str:
        return f"gradient ≤ {self.gradient:g}, loss ≤ {self.loss:g}"


# Where a graph is made: single precision against double, with the features of the frozen layers and
# the sides of kinks of the graph itself. 2e-4 was the most (MobileNetV2 of 32 pixels, a bias whose
# gradient a batch normalisation takes away); a wrong rule is off by a tenth and more.
PROOF = StepTolerance(1e-3, 1e-5)
# Elsewhere, by precision of the frozen layers and statistics of batch normalisation.
STEP_TOLERANCES: Mapping[tuple[str, Normalisation], StepTolerance] = {
    # Other kernels round otherwise, and a value near the zero of a Relu falls on its other side:
    # ResNet-20 in double precision against single was off by 5e-3.
    ("fp32", "frozen"): StepTolerance(5e-2, 1e-3),
    ("fp32", "batch"): StepTolerance(5e-2, 1e-3),
    # Integer kernels round features to a neighbouring step: 1.2e-2, the loss 2e-4, for MobileNetV2
    # of 224 pixels.
    ("int8", "frozen"): StepTolerance(1e-1, 1e-2),
    # A batch of three images whose last features are one pixel has three values to normalise by:
    # 4e-1 for MobileNetV2 of 32 pixels. A flipped sign is off by 2, a lost factor by 0.5 at least.
    ("int8", "batch"): StepTolerance(4.5e-1, 1e-2),
}


def tolerance_of(training: Training) -> StepTolerance:
    """The tolerance of a step on any machine."""
    return STEP_TOLERANCES[training.backbone, training.normalisation]


def is_step_within(error: StepError, limit: StepTolerance) -> bool:
    """Whether a step is the golden one, but for rounding."""
    return error.gradient <= limit.gradient and error.loss <= limit.loss
