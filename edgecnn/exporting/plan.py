"""Plan of an export, made before torch is loaded."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from edgecnn.errors import ModelUnusable
from edgecnn.model.description import Description, read_description
from edgecnn.model.resolve import (
    Checkpoint,
    Factory,
    LiveModule,
    ModelSource,
    OnnxFile,
    ZooNetwork,
)
from edgecnn.model.weights import RANDOM, default_weights, shipped
from edgecnn.zoo import Architecture, Form

if TYPE_CHECKING:
    from edgecnn.data.iterables import Items
    from edgecnn.exporting.learn import LearnOptions
    from edgecnn.exporting.quantise import QuantiseOptions
    from edgecnn_exporters.targets import Target
    from edgecnn_runtime.manifest import Preprocess

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class ExportOptions:
    """The options of ``edgecnn export``.

    Attributes:
        command: the command line as it was typed, for the provenance.
        preprocess: as `choose_preprocess` takes it.
        labels: a file of them, or they themselves.
        golden: examples to compare on and to pack, as `open_golden` takes them.
        compiled: names of the targets that the bundle is compiled for.
        force: a bundle that holds more, or is of another network, is replaced.
        learn: what a device may learn; None: nothing.
        optional: names of targets that are left out where they cannot be made.
    """

    model: ModelSource
    output: Path | None = None
    weights: str | None = None
    shape: tuple[int, int, int] | None = None
    batch: int | None = None
    preprocess: str | Preprocess | None = None
    labels: Path | tuple[str, ...] | None = None
    form: Form = field(default_factory=Form)
    opset: int = 18
    quiet: bool = False
    quantise: QuantiseOptions | None = None
    targets: tuple[Target, ...] = ()
    half: bool = False
    command: str = ""
    golden: str | Items | None = None
    compiled: tuple[str, ...] = ()
    force: bool = False
    learn: LearnOptions | None = None
    optional: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ExportPlan:
    """Plan of an export, made before anything heavy is loaded.

    Attributes:
        notes: for the user.
    """

    options: ExportOptions
    name: str
    output: Path
    weights: str
    shape: tuple[int, int, int] | None
    notes: tuple[str, ...] = ()


def plan(options: ExportOptions) -> ExportPlan:
    """Check the options without torch, and plan the export.

    Raises:
        ModelUnusable: options that do not go together; labels for another number of classes.
        PreprocessUnknown, LabelsUnreadable: no preprocessing or file of labels has that name.
        CheckpointUnreadable: a file of weights that is damaged.
        EngineUnavailable: what writes or proves a target is not installed.
        OutputNotWritable: the bundle's folder is missing or not writable.
        OverwriteRefused: the bundle would replace one that holds more, and `force` is not given.
    """
    from edgecnn.bundles.output import output_path, refuse_loss
    from edgecnn.exporting.learn import check_learning
    from edgecnn.exporting.target_engines import with_engines
    from edgecnn.model.own_network import needed_shape
    from edgecnn.model.preprocessing import check_choice

    if options.compiled:
        _check_compiled(options.compiled, options.batch)
    if options.learn is not None:
        check_learning(options.learn, options.batch)
    if isinstance(options.preprocess, str):
        check_choice(options.preprocess)
    targets, notes = with_engines(options.targets, options.optional)
    options = replace(options, targets=targets)
    name, weights, shape = _foresee(options)
    if isinstance(options.model, Factory | LiveModule):
        needed_shape(options.model, options.shape)
    _check_labels(options, name)
    output = output_path(options.output, name)
    if not options.force:
        refuse_loss(output, name, _artefacts(options))
    return ExportPlan(options, name, output, weights, options.shape or shape, notes)


def _artefacts(options: ExportOptions) -> set[tuple[str, str]]:
    """The artefacts that an export with these options makes."""
    precisions = ["fp32", *(["int8"] if options.quantise is not None else [])]
    half = ["fp16"] if options.half else []
    translated = {
        (target.format, precision)
        for target in options.targets
        for precision in (*precisions, *half)
        if precision in target.precisions
    }
    compiled = {(name, "") for name in options.compiled}
    return {("onnx", precision) for precision in precisions} | translated | compiled


def _check_labels(options: ExportOptions, name: str) -> None:
    """Read the labels, and count them where the number of classes is known before any fetching."""
    from edgecnn.exporting.labels import labels_of

    classes, labels = _classes(options), labels_of(options.labels)
    # Without preprocessing they are left out, with a note.
    if classes is None or labels is None or options.preprocess == "none":
        return
    if len(labels) != classes:
        raise ModelUnusable(
            f"{name} has {classes} outputs but {len(labels)} labels; pass --labels with one line "
            "for each class"
        )


def _classes(options: ExportOptions) -> int | None:
    """Number of classes; None where the weights or the network itself will tell."""
    match options.model:
        case Checkpoint(description=description):
            return len(description.labels)
        case ZooNetwork(architecture=architecture):
            weights = options.weights or default_weights(architecture)
            if weights == RANDOM or weights in architecture.weights:
                return options.form.classes or architecture.classes
            path = shipped(architecture.name).get(weights or "")
            own = None if path is None else read_description(path)
            return None if own is None else len(own.labels)
        case _:
            return None


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
        case Factory() | LiveModule():
            if form.given():
                raise ModelUnusable(
                    f"{source.typed}: {_as_options(form)} is for networks of the zoo"
                )
            own = "in memory" if isinstance(source, LiveModule) else "as the factory makes them"
            return source.name, options.weights or own, None
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
