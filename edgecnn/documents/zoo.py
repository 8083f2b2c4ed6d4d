"""JSON document of ``edgecnn zoo``: networks in the list, and networks described."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from edgecnn.model.weights import names_of
from edgecnn.zoo import FAMILIES, Architecture
from edgecnn.zoo.figures import Figures

if TYPE_CHECKING:
    from edgecnn.model.describe import Described
    from edgecnn.zoo.analysis.stages import ResolutionStage

Pixels = tuple[int | float, int | float]
"""Height and width in pixels."""


@dataclass(frozen=True)
class NetworkOrigin:
    """Name and origin of a network.

    Attributes:
        name: as it was given; for ``edgecnn export``.
        family: of the paper; null for a network of one's own, as are year and paper.
        year: of the paper.
        paper: its title and authors.
        options: that choose a form of the network.
        weights: published weights, by name.
    """

    name: str
    family: str | None
    year: int | None
    paper: str | None
    options: tuple[str, ...]
    weights: tuple[str, ...]


@dataclass(frozen=True)
class ListedNetwork(NetworkOrigin):
    """A network in the list of ``edgecnn zoo``, as its paper has it.

    Attributes:
        input: shape.
        classes: number of them.
        depth: weighted layers on the longest path; null where it was not counted.
        parameters: number of them; null where they were not counted.
        macs: multiply-accumulates of one inference; null where they were not counted.
        receptive_field: pixels that a feature of the last map sees; null where it was not counted.
    """

    input: tuple[int, ...]
    classes: int
    depth: int | None
    parameters: int | None
    macs: int | None
    receptive_field: int | None


@dataclass(frozen=True)
class StageFields:
    """Layers of one resolution.

    Attributes:
        name: of the stage.
        module: path of the module that makes the stage's output.
        output: shape, without the batch.
        layers: weighted layers.
        width: most channels.
        parameters: number of them.
        macs: multiply-accumulates of one inference.
        peak_activation_bytes: most activations alive at once, fp32, batch 1.
        receptive_field: of a feature, in pixels; null where it sees the whole image.
        stride: pixels between two features; null likewise.
        start: first pixel that the first feature sees; null likewise.
        centre: middle of what the first feature sees; null likewise.
    """

    name: str
    module: str
    output: tuple[int, ...]
    layers: int
    width: int
    parameters: int
    macs: int
    peak_activation_bytes: int
    receptive_field: Pixels | None
    stride: Pixels | None
    start: Pixels | None
    centre: Pixels | None


@dataclass(frozen=True)
class DescribedNetwork(NetworkOrigin):
    """A network that was built and counted.

    Attributes:
        input: shape.
        classes: number of them; null where it is unknown.
        depth: weighted layers on the longest path.
        layers: weighted layers in all.
        width: most channels.
        parameters: number of them.
        macs: multiply-accumulates of one inference.
        peak_activation_bytes: most activations alive at once, fp32, batch 1.
        receptive_field: pixels that a feature of the last map sees.
        stride: pixels between two such features.
        is_gated: its gates see the whole image.
        stages: resolution by resolution.
        growth: receptive field in pixels after 0, 1, 2, … weighted layers of the deepest path.
    """

    input: tuple[int, ...]
    classes: int | None
    depth: int
    layers: int
    width: int
    parameters: int
    macs: int
    peak_activation_bytes: int
    receptive_field: int
    stride: int
    is_gated: bool
    stages: tuple[StageFields, ...]
    growth: tuple[int, ...]


@dataclass(frozen=True)
class ZooDocument:
    """Networks of the zoo.

    Attributes:
        networks: all in short, or those that were named in full.
    """

    networks: tuple[ListedNetwork | DescribedNetwork, ...]


def described_network(described: Described) -> DescribedNetwork:
    """All figures of a network that was built."""
    summary = described.summary
    return DescribedNetwork(
        **vars(_origin(described.name, described.architecture)),
        input=(1, *summary.input),
        classes=described.classes,
        depth=summary.depth,
        layers=summary.layers,
        width=summary.width,
        parameters=summary.parameters,
        macs=summary.macs,
        peak_activation_bytes=summary.peak_activation_bytes,
        receptive_field=summary.receptive_field,
        stride=summary.stride,
        is_gated=summary.is_gated,
        stages=tuple(map(_stage, summary.stages)),
        growth=summary.growth,
    )


def listed_network(architecture: Architecture, figures: Figures | None) -> ListedNetwork:
    """Figures of a network that need no building of it."""
    return ListedNetwork(
        **vars(_origin(architecture.name, architecture)),
        input=(1, *architecture.input),
        classes=architecture.classes,
        depth=None if figures is None else figures.depth,
        parameters=None if figures is None else figures.parameters,
        macs=None if figures is None else figures.macs,
        receptive_field=None if figures is None else figures.receptive_field,
    )


def _origin(name: str, architecture: Architecture | None) -> NetworkOrigin:
    if architecture is None:
        return NetworkOrigin(name, None, None, None, (), ())
    return NetworkOrigin(
        name=name,
        family=architecture.family,
        year=next(f.year for f in FAMILIES if f.name == architecture.family),
        paper=architecture.paper,
        options=tuple(architecture.options),
        weights=tuple(names_of(architecture)),
    )


def _stage(stage: ResolutionStage) -> StageFields:
    rows, columns = (stage.place.rows, stage.place.columns) if stage.place else (None, None)

    def pixels(name: str) -> Pixels | None:
        if rows is None or columns is None:
            return None
        return plain(getattr(rows, name)), plain(getattr(columns, name))

    return StageFields(
        name=stage.name,
        module=stage.module,
        output=stage.output,
        layers=stage.layers,
        width=stage.width,
        parameters=stage.parameters,
        macs=stage.macs,
        peak_activation_bytes=stage.peak_bytes,
        receptive_field=pixels("size"),
        stride=pixels("stride"),
        start=pixels("first"),
        centre=pixels("centre"),
    )


def plain(value: Fraction) -> int | float:
    """Pixels as an int where they are whole, as mostly they are."""
    return int(value) if value.denominator == 1 else round(float(value), 3)
