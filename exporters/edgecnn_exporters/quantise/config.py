"""Configuration of quantisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

QuantRecipe = Literal["fast", "balanced", "best"]


@dataclass(frozen=True)
class QuantConfig:
    """Options of quantisation; the defaults serve most networks.

    Attributes:
        recipe: how many rungs of the ladder are tried.
        observer: a name of `OBSERVERS`; None takes the one that serves best on held-out samples.
        per_channel: one weight scale for each output channel, or one for the whole weight.
        weight_bits: 8, or 7 for x86 without VNNI, which adds pairs of u8 × s8 products in 16 bits.
        min_agreement: share of inputs that must keep their class, 0 to 1: what the samples that do
            not calibrate show with 95 % confidence.
        memory_limit: bytes that samples and their activations may take; None for no limit.
    """

    recipe: QuantRecipe = "balanced"
    observer: str | None = None
    per_channel: bool = True
    weight_bits: int = 8
    min_agreement: float | None = None
    memory_limit: int | None = None
