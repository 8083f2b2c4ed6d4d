"""The manifest of a bundle: inputs, outputs, preprocessing, postprocessing, artefacts, files.

Exporter, runtime and bench pass these dataclasses to each other. docs/bundle.md is the
specification; `edgecnn_runtime.bundle.manifest_json` parses the JSON of `Manifest.to_json`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from edgecnn_runtime.tensor_spec import TensorSpec
from edgecnn_runtime.training import Training

SCHEMA = "edgecnn.bundle/2"
# Older schemas that this runtime still reads.
OLDER_SCHEMAS = ("edgecnn.bundle/1",)

Colour = Literal["RGB", "BGR", "L"]
Filter = Literal["bilinear", "bicubic"]
Layout = Literal["NCHW", "NHWC"]
# How far an artefact's outputs are proven. With "estimated", "predicted" and "compiled only" no
# output was computed.
ProofKind = Literal["exact", "measured", "simulated", "estimated", "predicted", "compiled only"]
PROOF_KINDS: tuple[ProofKind, ...] = get_args(ProofKind)
PRECISIONS = ("fp32", "fp16", "int8")
Task = Literal["classification", "detection", "segmentation", "other"]
TASKS: tuple[Task, ...] = get_args(Task)


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
        softmax: the output is logits or log-probabilities, and scores are their
            softmax; False: it is the scores.
        labels: path in the bundle of the labels, UTF-8, one a line in class order.
    """

    softmax: bool
    labels: str


@dataclass(frozen=True)
class ChannelGroup:
    """Channels of one output that are judged together: alike in meaning and range.

    Attributes:
        axis: of the channels; None where the output is one group without channels.
        channels: half-open ranges of their indices.
        low, high: least and greatest that the original network answered where it was exported.
        full_scale: the largest magnitude that the graph lets through, 1 for a sigmoid; None where
            it sets no bound.
        meaning: what they are, as "boxes" or "scores"; None where it is unknown.
    """

    axis: int | None
    channels: tuple[tuple[int, int], ...]
    low: float
    high: float
    full_scale: float | None = None
    meaning: str | None = None


@dataclass(frozen=True)
class Artefact:
    """A model file of one format and precision.

    Attributes:
        proof: how far its outputs are proven.
        graph: sha256 of the ONNX graph that it was made from; None in schema 1.
        compiler: name and version of what wrote it, where that is not edgecnn.
        sqnr_db: signal to quantisation-noise ratio in dB of a quantised artefact's golden outputs
            against the original's, measured at export: by output, one number for each of its
            groups. Empty: they have to be equal.
        outside_db: the same of the golden examples outside the bundle.
        pooled_db: the same in schema 1: one number about zero over all outputs.
        is_weak: it loses more than int8 should, and was written because that was allowed.
        layout: axis order of its 4-D inputs and outputs where it differs from the manifest's
            specs; None: as in the specs.
        weights: path in the bundle of its weights file; None: the weights are in the artefact.
        encodings: (scale, zero point) of the inputs and outputs that are int8 or uint8 in the
            artefact and float32 in the manifest: ``real = scale * (integer - zero_point)``.
        target: compile target that it was compiled for; such an artefact is opened by its path
            alone. None: any machine with an engine for its format.
        flags: options of the compiler.
        on_cpu: operators that it leaves to the CPU: type → count.
        report: path in the bundle of the compiler's figures, JSON.
        companions: paths in the bundle of other files that the artefact needs.
    """

    path: str
    format: str
    precision: str
    proof: ProofKind = "measured"
    graph: str | None = None
    compiler: str | None = None
    sqnr_db: dict[str, tuple[float, ...]] = field(default_factory=dict)
    outside_db: dict[str, tuple[float, ...]] = field(default_factory=dict)
    pooled_db: float | None = None
    is_weak: bool = False
    layout: Literal["NHWC"] | None = None
    weights: str | None = None
    encodings: dict[str, tuple[float, int]] = field(default_factory=dict)
    target: str | None = None
    flags: tuple[str, ...] = ()
    on_cpu: dict[str, int] = field(default_factory=dict)
    report: str | None = None
    companions: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths in the bundle of all files that an engine needs to open it."""
        own = (self.path,) if self.weights is None else (self.path, self.weights)
        return (*own, *self.companions)

    def to_json(self) -> dict[str, Any]:
        """The artefact as JSON values; empty optional fields are left out."""
        values = asdict(self)
        del values["pooled_db"]
        values["weak"] = values.pop("is_weak")
        optional = {"graph", "compiler", "sqnr_db", "outside_db", "weak", "layout", "weights"}
        optional |= {"encodings", "target", "flags", "on_cpu", "report", "companions"}
        return {
            name: value
            for name, value in values.items()
            if name not in optional or value not in (None, {}, (), False)
        }


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
    """Size and digest that a file must have.

    Attributes:
        size: in bytes.
        sha256: in hexadecimal digits.
    """

    size: int
    sha256: str


@dataclass(frozen=True)
class OutsideGolden:
    """Golden examples in a file beside the bundle: inputs of the user's that are not to be packed.

    Attributes:
        file: its name, in the bundle's folder: a zip archive.
        record: its size and digest.
        examples: paths in that archive.
    """

    file: str
    record: FileRecord
    examples: tuple[Golden, ...]


@dataclass(frozen=True)
class Manifest:
    """Content of a bundle's ``manifest.json``.

    Attributes:
        groups: groups of each output's channels, by its name; an output without is one group.
        task: what the network is for; None where it is unknown.
        parameters: what may be trained on a device, by the names of the ONNX graph.
        outside: golden examples in a file of their own; None where there are none.
        training: the training graph; None where nothing can be learnt on a device.
        schema: that the bundle was written in.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    artefacts: tuple[Artefact, ...]
    files: dict[str, FileRecord]
    preprocess: Preprocess | None = None
    postprocess: Postprocess | None = None
    golden: tuple[Golden, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, tuple[ChannelGroup, ...]] = field(default_factory=dict)
    task: Task | None = None
    parameters: tuple[TensorSpec, ...] = ()
    outside: OutsideGolden | None = None
    training: Training | None = None
    schema: str = SCHEMA

    def onnx(self, precision: str) -> Artefact | None:
        """The first ONNX artefact of a precision that any machine runs; None without one."""
        for one in self.artefacts:
            if (one.format, one.precision, one.target) == ("onnx", precision, None):
                return one
        return None

    def to_json(self) -> dict[str, Any]:
        """The manifest as JSON values, its schema first; without `training` where it is None."""
        artefacts = [artefact.to_json() for artefact in self.artefacts]
        values = {"schema": SCHEMA} | asdict(self) | {"schema": SCHEMA, "artefacts": artefacts}
        if self.training is None:
            del values["training"]
        return values
