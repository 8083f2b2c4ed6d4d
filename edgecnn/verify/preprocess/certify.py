"""Comparison of a bundle's own preprocessing with other ways, on the same images."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgecnn.verify.preprocess.ways import WAYS, Way
from edgecnn_runtime.arrays import Float32, UInt8
from edgecnn_runtime.errors import NotAClassifier
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.install_hint import install_hint
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.parity.difference import difference
from edgecnn_runtime.parity.proportion import wilson_interval
from edgecnn_runtime.progress import Progress, no_progress
from edgecnn_runtime.session import Session

ImageSources = Sequence[Path | UInt8] | UInt8


@dataclass(frozen=True)
class Cost:
    """Cost of a way to preprocess: its changes of the input and of the output.

    Attributes:
        largest_levels: largest difference of the network's input, in grey levels of 256.
        mean_levels: mean absolute difference, the same.
        agreed: number of images with the same class as by the bundle's own preprocessing.
        interval: 95 %, by Wilson, of the share of them.
        sqnr_db: of the outputs against those by the bundle's own; infinite when equal.
        n: number of images.
    """

    largest_levels: float
    mean_levels: float
    agreed: int
    interval: tuple[float, float]
    sqnr_db: float
    n: int


@dataclass(frozen=True)
class WayCost:
    """A way to prepare images, and its cost.

    Attributes:
        way: its name.
        stands_for: code that does so.
        cost: against the bundle's own preprocessing; None where there is none.
        note: why there is none.
    """

    way: str
    stands_for: str
    cost: Cost | None
    note: str = ""


@dataclass
class _Sums:
    """Sums over the images so far."""

    largest: float = 0.0
    absolute: float = 0.0
    values: int = 0
    scores: list[tuple[Float32, Float32]] = field(default_factory=list)

    def add(self, levels: Float32, own: Float32, actual: Float32) -> None:
        self.largest = max(self.largest, float(levels.max()))
        self.absolute += float(levels.sum(dtype=np.float64))
        self.values += levels.size
        self.scores.append((own, actual))

    def cost(self) -> Cost:
        far = difference(self.scores)
        agreed = round(far.top1_agreement * far.n)
        return Cost(
            largest_levels=self.largest,
            mean_levels=self.absolute / self.values,
            agreed=agreed,
            interval=wilson_interval(agreed, far.n),
            sqnr_db=far.pooled_db,
            n=far.n,
        )


def certify(
    session: Session,
    images: ImageSources,
    progress: Progress = no_progress,
    ways: Sequence[Way] = WAYS,
) -> list[WayCost]:
    """Cost of each way, in the order given.

    Args:
        session: of a bundle with preprocessing, whose first output is one score a class.
        images: paths, or (H, W, 1 or 3) uint8.

    Raises:
        NotAClassifier: the bundle has no preprocessing, or its output is not (batch, classes).
        ImageError: an image cannot be read.
    """
    spec = _preprocess_of(session)
    notes = {way.name: _note(way, spec) for way in ways}
    chosen = [way for way in ways if not notes[way.name]]
    sums = {way.name: _Sums() for way in chosen}
    for number, source in enumerate(images):
        image = load_image(source)
        own = session.preprocess(image)
        expected = _scores(session, own)
        for way in chosen:
            other = way.prepare(image, spec)
            levels = _grey_levels(other - own, spec)
            sums[way.name].add(levels, expected, _scores(session, other))
        progress((number + 1) / len(images))
    costs = {name: each.cost() for name, each in sums.items()}
    return [WayCost(way.name, way.stands_for, costs.get(way.name), notes[way.name]) for way in ways]


def _preprocess_of(session: Session) -> Preprocess:
    manifest = session.manifest
    if manifest.preprocess is None:
        raise NotAClassifier(
            f"{manifest.name} carries no preprocessing, and nothing can be compared with it; "
            "export it again with --preprocess"
        )
    if len(manifest.outputs[0].shape) != 2:
        raise NotAClassifier(
            f"{manifest.name} answers {manifest.outputs[0]}, expected one score for each class: "
            "agreement is of the likeliest class"
        )
    return manifest.preprocess


def _note(way: Way, spec: Preprocess) -> str:
    """The reason why a way is not run; "" where it is."""
    if reason := way.inapplicable(spec):
        return f"not applicable: {reason}"
    if importlib.util.find_spec(way.package) is None:
        return f"skipped: not installed, {install_hint(way.extra)}"
    return ""


def _grey_levels(difference: Float32, spec: Preprocess) -> Float32:
    """A difference between two inputs, in grey levels of 256."""
    axes = (-1, 1, 1) if spec.layout == "NCHW" else (1, 1, -1)
    level = np.array(spec.scale / np.array(spec.std), np.float32).reshape(axes)
    levels: Float32 = np.abs(difference / level)
    return levels


def _scores(session: Session, prepared: Float32) -> Float32:
    feed, output = session.manifest.inputs[0], session.manifest.outputs[0].name
    batch = np.repeat(prepared, feed.shape[0] or 1, axis=0)
    scores: Float32 = session.run({feed.name: batch})[output][:1]
    return scores
