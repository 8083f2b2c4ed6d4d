"""Figures of networks as JSON."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from edgecnn.model.weights import names_of
from edgecnn.zoo import FAMILIES, Architecture
from edgecnn.zoo.figures import Figures

if TYPE_CHECKING:
    from edgecnn.model.describe import Described
    from edgecnn.zoo.analysis.stages import ResolutionStage


def described_as_json(described: Described) -> dict[str, object]:
    """All figures of a network. Fields, strides and centres are [height, width] in pixels."""
    summary = described.summary
    return {
        "name": described.name,
        **_provenance(described.architecture),
        "input": [1, *summary.input],
        "classes": described.classes,
        "depth": summary.depth,
        "layers": summary.layers,
        "width": summary.width,
        "parameters": summary.parameters,
        "macs": summary.macs,
        "peak_activation_bytes": summary.peak_activation_bytes,
        "receptive_field": summary.receptive_field,
        "stride": summary.stride,
        "is_gated": summary.is_gated,
        "stages": [_stage_as_json(stage) for stage in summary.stages],
        "growth": list(summary.growth),
    }


def listed_as_json(architecture: Architecture, figures: Figures | None) -> dict[str, object]:
    """Figures of a network that need no building of it."""
    return {
        "name": architecture.name,
        **_provenance(architecture),
        "input": [1, *architecture.input],
        "classes": architecture.classes,
        "depth": figures and figures.depth,
        "parameters": figures and figures.parameters,
        "macs": figures and figures.macs,
        "receptive_field": figures and figures.receptive_field,
    }


def _provenance(architecture: Architecture | None) -> dict[str, object]:
    if architecture is None:
        return {"family": None, "year": None, "paper": None, "options": [], "weights": []}
    return {
        "family": architecture.family,
        "year": next(f.year for f in FAMILIES if f.name == architecture.family),
        "paper": architecture.paper,
        "options": list(architecture.options),
        "weights": names_of(architecture),
    }


def _stage_as_json(stage: ResolutionStage) -> dict[str, object]:
    place = stage.place
    spans = (place.rows, place.columns) if place else ()
    return {
        "name": stage.name,
        "module": stage.module,
        "output": list(stage.output),
        "layers": stage.layers,
        "width": stage.width,
        "parameters": stage.parameters,
        "macs": stage.macs,
        "peak_activation_bytes": stage.peak_bytes,
        "receptive_field": [plain(span.size) for span in spans] or None,
        "stride": [plain(span.stride) for span in spans] or None,
        "start": [plain(span.first) for span in spans] or None,
        "centre": [plain(span.centre) for span in spans] or None,
    }


def plain(value: Fraction) -> int | float:
    """Pixels as an int where they are whole, as mostly they are."""
    return int(value) if value.denominator == 1 else round(float(value), 3)
