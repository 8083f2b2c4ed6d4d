"""Plan of an export, made before torch is loaded."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from edgecnn.errors import ModelUnusable
from edgecnn.model.description import Description, read_description
from edgecnn.model.resolve import Checkpoint, Factory, ModelSource, OnnxFile, ZooNetwork
from edgecnn.model.trained_numbers import KEY
from edgecnn.model.weights import default_weights, shipped
from edgecnn.zoo import Architecture, Form

if TYPE_CHECKING:
    from edgecnn.exporting.quantise import QuantiseOptions
    from edgecnn_exporters.targets import Target

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class ExportOptions:
    """The options of ``edgecnn export``.

    Attributes:
        command: the command line as it was typed, for the provenance.
        golden: examples to compare on and to pack, as `open_golden` takes them.
        compiled: names of the targets that the bundle is compiled for.
        force: a bundle that holds more, or is of another network, is replaced.
    """

    model: ModelSource
    output: Path | None = None
    weights: str | None = None
    shape: tuple[int, int, int] | None = None
    batch: int | None = None
    preprocess: str | None = None
    labels: Path | None = None
    form: Form = field(default_factory=Form)
    opset: int = 18
    quiet: bool = False
    quantise: QuantiseOptions | None = None
    targets: tuple[Target, ...] = ()
    half: bool = False
    command: str = ""
    golden: str | None = None
    compiled: tuple[str, ...] = ()
    force: bool = False


@dataclass(frozen=True)
class ExportPlan:
    """Plan of an export, made before anything heavy is loaded."""

    options: ExportOptions
    name: str
    output: Path
    weights: str
    shape: tuple[int, int, int] | None

    def to_json(self) -> dict[str, str]:
        """The plan in words, in the order of the work."""
        options = self.options
        shape = "x".join(map(str, self.shape)) if self.shape else "as in the file"
        batch = "N" if options.batch is None else str(options.batch)
        checks = "batch 1, 2, 3 and 7" if options.batch is None else f"batch {options.batch}"
        return {
            "model": f"{options.model.typed} ({_kind(options.model)})",
            "weights": self.weights,
            "input": f"{batch}x{shape}" if self.shape else shape,
            "preprocess": options.preprocess or _own_preprocess(options.model),
            "capture": "read as it is"
            if isinstance(options.model, OnnxFile)
            else "dynamo, then torchscript if it does not agree with PyTorch",
            "optimise": f"canonical graph, opset {options.opset}",
            "verify": f"ONNX Runtime against the original on {options.golden or 'photographs'} "
            f"at {checks}",
            "quantise": self._quantise(),
            "artefacts": self._artefacts(),
            "bundle": str(self.output),
        }

    def _artefacts(self) -> str:
        options = self.options
        precisions = ["int8"] if options.quantise is not None else []
        artefacts = [f"onnx ({', '.join([*precisions, 'fp32'])})"]
        more = [*precisions, "fp32", *(["fp16"] if options.half else [])]
        for target in options.targets:
            artefacts.append(
                f"{target.name} ({', '.join(p for p in more if p in target.precisions)})"
            )
        artefacts += [f"{name} (compiled)" for name in options.compiled]
        return ", ".join(artefacts)

    def _quantise(self) -> str:
        options = self.options.quantise
        if options is None:
            return "no; --quantize int8 adds an 8-bit artefact"
        data = options.data or "what it was trained on, or else edgecnn's photographs"
        source = self.options.model
        if isinstance(source, Checkpoint) and KEY in source.description.training:
            return f"int8, scales from training, judged with {data}, {options.count} samples"
        return (
            f"int8, recipe {options.config.recipe}, calibrated with {data}, {options.count} samples"
        )


def _kind(source: ModelSource) -> str:
    """Kind of MODEL, for display."""
    match source:
        case OnnxFile():
            return "ONNX file"
        case Factory():
            return "your own network"
        case ZooNetwork():
            return "zoo"
        case Checkpoint():
            return "checkpoint"
        case _:
            assert_never(source)


def _own_preprocess(source: ModelSource) -> str:
    """Source of the default preprocessing, for display."""
    match source:
        case ZooNetwork():
            return "the zoo's"
        case Checkpoint():
            return "the checkpoint's"
        case OnnxFile() | Factory():
            return "assumed"
        case _:
            assert_never(source)


def plan(options: ExportOptions) -> ExportPlan:
    """Check the options without torch, and plan the export.

    Raises:
        ModelUnusable: options that do not go together.
        PreprocessUnknown, LabelsUnreadable: no preprocessing or file of labels has that name.
        CheckpointUnreadable: a file of weights that is damaged.
        OutputNotWritable: the bundle's folder is missing or not writable.
        OverwriteRefused: the bundle would replace one that holds more, and `force` is not given.
    """
    from edgecnn.exporting.output import output_path, planned_artefacts, refuse_loss

    if options.compiled:
        _check_compiled(options.compiled, options.batch)
    _check_choices(options)
    _check_engines(options.targets)
    name, weights, shape = _foresee(options)
    output = output_path(options.output, name)
    if not options.force:
        planned = planned_artefacts(
            options.targets,
            options.compiled,
            is_quantised=options.quantise is not None,
            half=options.half,
        )
        refuse_loss(output, name, planned)
    return ExportPlan(options, name, output, weights, options.shape or shape)


def _check_engines(targets: tuple[Target, ...]) -> None:
    """Check that what writes and proves each target is installed, before any work.

    Raises:
        EngineUnavailable: an engine is not; says how to install it.
    """
    from edgecnn_runtime.engines import engine_class, is_importable
    from edgecnn_runtime.errors import EngineUnavailable

    for target in targets:
        kind = None if target.engine is None else engine_class(target.engine)
        # tflite-runtime runs TFLite files too, but has not the schema that they are written by.
        is_writable = target.name != "tflite" or is_importable("ai_edge_litert")
        if kind is not None and not (kind.is_installed() and is_writable):
            raise EngineUnavailable(kind.name, kind.extra)


def _check_choices(options: ExportOptions) -> None:
    """Check the names of a preprocessing and of a file of labels before any work."""
    from edgecnn.exporting.labels import read_labels
    from edgecnn.model.preprocessing import check_choice

    if isinstance(options.preprocess, str):
        check_choice(options.preprocess)
    if isinstance(options.labels, Path):
        read_labels(options.labels)


def _check_compiled(names: tuple[str, ...], batch: int | None) -> None:
    """Check the batch, and that the compilers of all targets are here, before any work.

    Raises:
        CompilerMissing, LicenceNotAccepted: as `Toolchain.check` says.
        ModelUnusable: a target is no part of a bundle, or the batch is not one image.
    """
    from edgecnn.compile.plan import WEB
    from edgecnn_exporters.targets.compilers import compiler_of
    from edgecnn_exporters.targets.profile import target_profile

    for name in names:
        family = target_profile(name).family
        if family == WEB:
            raise ModelUnusable(
                "web is a page in a folder, not a part of a bundle: edgecnn compile NAME.edge "
                "--for web -o site/"
            )
        if batch not in (None, 1):
            raise ModelUnusable(
                f"--batch {batch} does not go with --target {name}: compiled networks take one "
                "image at a time; leave --batch out, or give --batch 1"
            )
        compiler_of(family).toolchains[0].check()


def _foresee(options: ExportOptions) -> tuple[str, str, Shape | None]:
    """Name, weights and input of the network, without building or fetching it."""
    source, form = options.model, options.form
    match source:
        case OnnxFile():
            if options.weights or form.given():
                raise ModelUnusable(
                    f"{source.typed} holds its weights; leave out --weights, {_as_options(form)}"
                )
            return source.name, "in the file", None
        case Factory():
            if form.given():
                raise ModelUnusable(
                    f"{source.typed}: {_as_options(form)} is for networks of the zoo"
                )
            if options.shape is None:
                raise ModelUnusable(
                    f"{source.typed} needs the shape of its input: --input 1x3x224x224"
                )
            return source.name, options.weights or "as the factory makes them", None
        case Checkpoint():
            return _foresee_described(source.description, options.weights or "in the file")
        case ZooNetwork():
            return _foresee_zoo(source.architecture, options)
        case _:
            assert_never(source)


def _foresee_zoo(architecture: Architecture, options: ExportOptions) -> tuple[str, str, Shape]:
    weights = options.weights or default_weights(architecture)
    if weights is not None:
        path = shipped(architecture.name).get(weights, Path(weights))
        description = read_description(path) if path.is_file() else None
        if description is not None:
            return _foresee_described(description, weights)
    return architecture.name, weights or "none published", architecture.input_of(options.form)


def _foresee_described(description: Description, weights: str) -> tuple[str, str, Shape]:
    words = ", ".join(f"{name} {value}" for name, value in description.form.given().items())
    return description.architecture, f"{weights}, {words}", description.input


def _as_options(form: Form) -> str:
    """Options that give a form, as written on the command line; all of them for the default."""
    return ", ".join(f"--{name}" for name in form.given() or vars(form))
