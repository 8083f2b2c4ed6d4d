"""Origin of a bundle and what it has learnt, as its provenance says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgecnn.bundles.members import parent_of
from edgecnn_runtime.learn.provenance import LEARNT

MOST_TEXT = 200
"""Characters of one text that are shown."""


@dataclass(frozen=True)
class LearntFacts:
    """One learning on a device; nothing proves it.

    Attributes:
        parent_sha256: of the bundle that learnt.
        steps: number of steps.
        images: number of images in them, each as often as it was shown.
        has_new_classes: its last layer began anew.
        held_out: number of images that judged it.
        before, after: share of these whose class was right, 0 to 1; of new classes there is no
            before.
    """

    parent_sha256: str | None
    steps: int
    images: int
    has_new_classes: bool
    held_out: int | None
    before: float | None
    after: float | None


@dataclass(frozen=True)
class ProvenanceFacts:
    """Origin of a bundle, as its manifest says; nothing proves it.

    Attributes:
        command: that wrote it.
        source: of the network: architecture, factory or file, weights and their digests.
        calibration: recipe, data and number of samples of the 8-bit quantisation.
        versions: package → version.
        parent_sha256: of the bundle that this one was stripped from.
        learnt: what it learnt on devices, the first learning first.
    """

    command: str | None
    source: Mapping[str, str]
    calibration: str | None
    versions: Mapping[str, str]
    parent_sha256: str | None
    learnt: tuple[LearntFacts, ...] = ()


def provenance_facts(provenance: Mapping[str, Any]) -> ProvenanceFacts:
    """The origin that a provenance tells, which any writer may fill freely."""
    return ProvenanceFacts(
        command=_text(provenance.get("command")),
        source=_texts(provenance.get("source")),
        calibration=_calibration(provenance.get("quantisation")),
        versions=_texts(provenance.get("versions")),
        parent_sha256=parent_of(provenance),
        learnt=_learnt_facts(provenance),
    )


def _calibration(value: object) -> str | None:
    """Recipe and data of a quantisation; other writers may record something else."""
    if not isinstance(value, dict):
        return None
    recipe, data, count = (_text(value.get(key)) for key in ("recipe", "data", "calibrated"))
    samples = f"{count or 'unknown'} samples of {data}" if data else ""
    return ", ".join(filter(None, (recipe, samples))) or None


def _texts(value: object) -> dict[str, str]:
    """The texts and numbers of an object in a provenance."""
    if not isinstance(value, dict):
        return {}
    texts = {str(key): _text(each) for key, each in value.items()}
    return {key: text for key, text in texts.items() if text is not None}


def _text(value: Any) -> str | None:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)[:MOST_TEXT]
    return None


def _learnt_facts(provenance: Mapping[str, Any]) -> tuple[LearntFacts, ...]:
    """The learnings that a provenance lists, the first one first.

    Any writer may fill it freely: what is no number of the right kind is left out.
    """
    entries = provenance.get(LEARNT)
    listed = entries if isinstance(entries, list) else []
    return tuple(_learnt(entry) for entry in listed if isinstance(entry, dict))


def _learnt(entry: Mapping[str, Any]) -> LearntFacts:
    parent, stated = entry.get("parent_sha256"), entry.get("held_out")
    held_out = stated if isinstance(stated, dict) else {}
    has_new_classes = "classes" in entry
    return LearntFacts(
        parent_sha256=parent if isinstance(parent, str) else None,
        steps=_count(entry.get("steps")) or 0,
        images=_count(entry.get("images")) or 0,
        has_new_classes=has_new_classes,
        held_out=_count(held_out.get("images")),
        before=None if has_new_classes else _share(held_out.get("before")),
        after=_share(held_out.get("after")),
    )


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 63 else None


def _share(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    return None
