"""JSON document of ``edgecnn export --dry-run``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PlanDocument:
    """Plan of an export, in words.

    Attributes:
        model: MODEL as it was given, and its kind.
        weights: that it will have.
        input: shape of the input.
        preprocess: preprocessing that goes into the bundle.
        capture: how the network becomes an ONNX graph.
        optimise: what is done to the graph.
        verify: what it is compared with.
        quantise: precision, calibration samples.
        learn: what a device may learn.
        artefacts: that the bundle will hold.
        bundle: path of the bundle.
    """

    model: str
    weights: str
    input: str
    preprocess: str
    capture: str
    optimise: str
    verify: str
    quantise: str
    learn: str
    artefacts: str
    bundle: str
