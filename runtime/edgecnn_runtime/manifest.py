"""The manifest of a bundle: inputs, outputs, preprocessing, postprocessing, artefacts, files.

Exporter, runtime and bench pass these dataclasses to each other. docs/bundle.md is the
specification; `edgecnn_runtime.bundle.manifest_json` parses the JSON of `Manifest.to_json`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

SCHEMA = "edgecnn.bundle/1"
DTYPES = frozenset({"float32", "float16", "int8", "uint8", "int32", "int64", "bool"})

Colour = Literal["RGB", "BGR", "L"]
Filter = Literal["bilinear", "bicubic"]
Layout = Literal["NCHW", "NHWC"]


@dataclass(frozen=True)
class TensorSpec:
    """Name, type and shape of an input or output; `None` in the shape is a dynamic batch."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        extents = "x".join("N" if extent is None else str(extent) for extent in self.shape)
        return f"{self.name} {self.dtype} {extents}"


@dataclass(frozen=True)
class Preprocess:
    """Preprocessing of an image into the model's input.

    ``x = (pixel * scale - mean) / std`` per channel, after resize and centre crop.

    Attributes:
        colour: channel order the model reads.
        resize: length of the shorter side in pixels, or (height, width), or None for no resize.
        filter: antialiased resampling filter, as Pillow defines it.
        crop: (height, width) in pixels of the centre crop, or None for no crop.
        scale: factor on the 0…255 grey level.
        mean: per channel, after `scale`.
        std: per channel, after `scale`.
        layout: axis order of the model's input.
    """

    colour: Colour
    resize: int | tuple[int, int] | None
    filter: Filter
    crop: tuple[int, int] | None
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layout: Layout = "NCHW"


@dataclass(frozen=True)
class Postprocess:
    """Meaning of the output: a classification over `labels`.

    Attributes:
        softmax: the output is logits; scores are their softmax.
        labels: path in the bundle of the labels, UTF-8, one a line in class order.
    """

    softmax: bool
    labels: str


@dataclass(frozen=True)
class Artefact:
    """A model file of one format and precision.

    Attributes:
        sqnr_db: signal to quantisation-noise ratio in dB of a quantised artefact's golden outputs
            against the original's, measured at export. None: they have to be equal.
        layout: axis order of its 4-D inputs and outputs where it differs from the manifest's
            specs; None: as in the specs.
        weights: path in the bundle of its weights file; None: the weights are in the artefact.
        encodings: (scale, zero point) of the inputs and outputs that are int8 or uint8 in the
            artefact and float32 in the manifest: ``real = scale * (integer - zero_point)``.
    """

    path: str
    format: str
    precision: str
    sqnr_db: float | None = None
    layout: Literal["NHWC"] | None = None
    weights: str | None = None
    encodings: dict[str, tuple[float, int]] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths in the bundle of all files that an engine needs to open it."""
        return (self.path,) if self.weights is None else (self.path, self.weights)

    def to_json(self) -> dict[str, Any]:
        """The artefact as JSON values; empty optional fields are left out."""
        values = asdict(self)
        for name in ("sqnr_db", "layout", "weights", "encodings"):
            if values[name] in (None, {}):
                del values[name]
        return values


@dataclass(frozen=True)
class Golden:
    """Golden example: paths in the bundle of input arrays and of the original network's outputs.

    All files are ``.npy``. `image` (HWC uint8), where present, is the image that `inputs` was made
    from with the bundle's own preprocessing.
    """

    inputs: dict[str, str]
    outputs: dict[str, str]
    image: str | None = None


@dataclass(frozen=True)
class FileRecord:
    """Size in bytes and digest that a file in the bundle must have."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Content of a bundle's ``manifest.json``."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    artefacts: tuple[Artefact, ...]
    files: dict[str, FileRecord]
    preprocess: Preprocess | None = None
    postprocess: Postprocess | None = None
    golden: tuple[Golden, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The manifest as JSON values, its schema first."""
        artefacts = [artefact.to_json() for artefact in self.artefacts]
        return {"schema": SCHEMA} | asdict(self) | {"artefacts": artefacts}
