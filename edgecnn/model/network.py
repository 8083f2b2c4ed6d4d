"""A PyTorch network ready to be exported, and the options that it is built with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.zoo import Form
from edgecnn_runtime.manifest import Preprocess

if TYPE_CHECKING:
    from torch import nn

    from edgecnn_exporters.quantise.trained import TrainedNumbers


@dataclass(frozen=True)
class Network:
    """A PyTorch network ready to be exported.

    Attributes:
        name: short name, for the bundle.
        shape: (channels, height, width) of its input.
        source: where structure and weights came from, for the provenance.
        notes: remarks on how it was loaded, for the user.
        data: name or folder of what it was trained on, where the weights say so.
        form: of a network of the zoo.
        trained: numbers of its 8-bit form, where it was trained in 8 bits.
    """

    module: nn.Module
    name: str
    shape: tuple[int, int, int]
    preprocess: Preprocess | None
    labels: tuple[str, ...] | None
    source: dict[str, str]
    notes: tuple[str, ...] = ()
    data: str | None = None
    form: Form | None = None
    trained: TrainedNumbers | None = None


@dataclass(frozen=True)
class NetworkOptions:
    """Options of MODEL beside its name."""

    weights: str | None = None
    shape: tuple[int, int, int] | None = None
    form: Form = field(default_factory=Form)
    quiet: bool = False
    search: tuple[Path, ...] = field(default_factory=lambda: (Path.cwd(),))
