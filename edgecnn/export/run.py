"""From what a person typed to a request, and through it to a bundle."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from edgecnn.errors import LabelsUnreadable, ModelUnusable, UnknownModel
from edgecnn.model.description import read_description
from edgecnn.model.preprocessing import at_resolution, choose_preprocess
from edgecnn.model.resolve import NetworkOptions, build_network, find_architecture, is_onnx
from edgecnn.model.weights import SUFFIX, default_weights, shipped
from edgecnn.zoo import Form
from edgecnn_runtime.manifest import Preprocess, TensorSpec

if TYPE_CHECKING:
    from edgecnn.export.quantise import QuantiseOptions
    from edgecnn_exporters.export import Exported
    from edgecnn_exporters.targets import Target

LOAD = "load the network"
_PREPROCESS = {"zoo": "the zoo's", "checkpoint": "the checkpoint's"}


@dataclass(frozen=True)
class ExportOptions:
    """The command line of ``edgecnn export``."""

    model: str
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


@dataclass(frozen=True)
class Plan:
    """What an export will do, known before anything heavy is loaded."""

    options: ExportOptions
    kind: str
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
            "model": f"{options.model} ({self.kind})",
            "weights": self.weights,
            "input": f"{batch}x{shape}" if self.shape else shape,
            "preprocess": options.preprocess or _PREPROCESS.get(self.kind, "assumed"),
            "capture": "read as it is"
            if self.kind == "ONNX file"
            else "dynamo, then torchscript if it does not agree with PyTorch",
            "optimise": f"canonical graph, opset {options.opset}",
            "verify": f"ONNX Runtime against the original on photographs at {checks}",
            "quantise": self._quantise(),
            "artefacts": self._artefacts(),
            "bundle": str(self.output),
        }

    def _artefacts(self) -> str:
        said = self.options
        precisions = ["int8"] if said.quantise is not None else []
        found = [f"onnx ({', '.join([*precisions, 'fp32'])})"]
        more = [*precisions, "fp32", *(["fp16"] if said.half else [])]
        for target in said.targets:
            found.append(f"{target.name} ({', '.join(p for p in more if p in target.precisions)})")
        return ", ".join(found)

    def _quantise(self) -> str:
        said = self.options.quantise
        if said is None:
            return "no; --quantize int8 adds an 8-bit artefact"
        data = said.data or "what it was trained on, or else edgecnn's photographs"
        return f"int8, recipe {said.config.recipe}, calibrated with {data}, {said.count} samples"


def plan(options: ExportOptions) -> Plan:
    """Check what can be checked without torch, and say what will be done.

    Raises:
        UnknownModel: MODEL names nothing.
        ModelUnusable: options that do not go together.
        OutputNotWritable: the bundle's folder is missing or not writable.
    """
    from edgecnn_exporters.atomic import check_writable

    model, shape = options.model, options.shape
    if is_onnx(model):
        kind, name, weights = "ONNX file", Path(model).stem, "in the file"
        if options.weights or options.form.given():
            raise ModelUnusable(
                f"{model} holds its weights; leave out --weights, {_spelt(options.form)}"
            )
    elif ":" in model:
        kind, name = "your own network", model.partition(":")[2]
        weights = options.weights or "as the factory makes them"
        if options.form.given():
            raise ModelUnusable(f"{model}: {_spelt(options.form)} is for networks of the zoo")
    else:
        kind, name, weights, own = _foresee(options)
        shape = shape or own
    output = options.output or Path(f"{name}.edge")
    if output.is_dir():
        output = output / f"{name}.edge"
    check_writable(output)
    return Plan(options, kind, name, output, weights, shape)


def _foresee(options: ExportOptions) -> tuple[str, str, str, tuple[int, int, int]]:
    """Kind, name, weights and input of a network of the zoo, without building or fetching it."""
    model, weights, path = options.model, options.weights, None
    if model.endswith(SUFFIX):
        kind, path = "checkpoint", Path(model)
    else:
        kind, architecture = "zoo", find_architecture(model)
        weights = weights or default_weights(architecture)
        path = shipped(architecture.name).get(weights or "")
        if path is None and weights is not None and weights.endswith(SUFFIX):
            path = Path(weights)
    description = read_description(path) if path is not None and path.is_file() else None
    if description is not None:
        name, words = description.architecture, weights or "in the file"
        return kind, name, f"{words}, {_words(description.form)}", description.input
    if kind == "checkpoint":
        raise UnknownModel(
            f"{model} is missing or does not say which network it is of; "
            f"name one: edgecnn export NAME --weights {model}"
        )
    return kind, architecture.name, weights or "none published", architecture.input_of(options.form)


def _words(form: Form) -> str:
    return ", ".join(f"{name} {value}" for name, value in form.given().items())


def _spelt(form: Form) -> str:
    """The options that made a form, or those that could have."""
    return ", ".join(f"--{name}" for name in form.given() or vars(form))


def run(planned: Plan, progress: Callable[[str], None]) -> tuple[Exported, tuple[str, ...]]:
    """Do what was planned. Returns the bundle, and notes for a person.

    Raises:
        EdgeCNNError: as `build_network`, `export_module` and `export_onnx` say.
    """
    progress(LOAD)
    if is_onnx(planned.options.model):
        return _run_onnx(planned, progress)
    return _run_network(planned, progress)


def _run_network(
    planned: Plan, progress: Callable[[str], None]
) -> tuple[Exported, tuple[str, ...]]:
    from edgecnn.export.quantise import quantised
    from edgecnn_exporters.bundle.requests import Request
    from edgecnn_exporters.export import export_module

    options = planned.options
    network = build_network(
        options.model,
        NetworkOptions(options.weights, options.shape, options.form, options.quiet),
    )
    own = network.preprocess and at_resolution(network.preprocess, *network.shape[1:])
    preprocess, notes = _preprocess(options, network.shape, own)
    request = Request(
        name=network.name,
        input=TensorSpec("input", "float32", (options.batch, *network.shape)),
        preprocess=preprocess,
        labels=_labels(options.labels) or network.labels,
        opset=options.opset,
        source=network.source,
        command=_command(),
        targets=options.targets,
        half=options.half,
        is_zoo=planned.kind != "your own network",
    )
    with quantised(request, options.quantise, network.data, quiet=options.quiet) as (asked, more):
        exported = export_module(network.module, asked, planned.output, progress)
    return exported, (*network.notes, *notes, *more)


def _run_onnx(planned: Plan, progress: Callable[[str], None]) -> tuple[Exported, tuple[str, ...]]:
    from edgecnn.export.quantise import quantised
    from edgecnn_exporters.bundle.requests import Request
    from edgecnn_exporters.capture.examples import layout_of, spatial
    from edgecnn_exporters.capture.onnx_source import image_input, read_onnx
    from edgecnn_exporters.export import export_onnx

    options = planned.options
    source = Path(options.model)
    found = read_onnx(source)
    spec = image_input(found.model, source.name, options.shape)
    preprocess, notes = _preprocess(options, spatial(spec), None)
    if preprocess is not None:
        preprocess = replace(preprocess, layout=layout_of(spec))
    request = Request(
        name=planned.name,
        input=spec,
        preprocess=preprocess,
        labels=_labels(options.labels),
        opset=options.opset,
        source={"onnx": source.name, "onnx_sha256": hashlib.sha256(found.original).hexdigest()},
        command=_command(),
        targets=options.targets,
        half=options.half,
    )
    with quantised(request, options.quantise, None, quiet=options.quiet) as (asked, more):
        exported = export_onnx(found, asked, planned.output, progress)
    return exported, (*notes, *more)


def _preprocess(
    options: ExportOptions, shape: tuple[int, int, int], own: Preprocess | None
) -> tuple[Preprocess | None, tuple[str, ...]]:
    """What was asked for, or the network's own, or the likeliest, which is then said aloud."""
    if options.preprocess:
        return choose_preprocess(options.preprocess, shape), ()
    if own is not None:
        return own, ()
    likely = {1: "unit", 3: "imagenet"}.get(shape[0], "none")
    return choose_preprocess(likely, shape), (
        f"preprocessing {likely!r} is assumed; a wrong one costs accuracy without a word: "
        "say --preprocess imagenet, unit, signed, none or FILE.json",
    )


def _labels(path: Path | None) -> tuple[str, ...] | None:
    if path is None:
        return None
    try:
        labels = tuple(path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise LabelsUnreadable(f"labels {path} cannot be read: {error}") from error
    if not labels or not all(label.strip() for label in labels):
        raise LabelsUnreadable(f"labels {path} are empty or hold an empty line; one name a line")
    return labels


def _command() -> str:
    """What was typed, without the place that it was written to."""
    words = sys.argv[1:]
    for flag in ("-o", "--output"):
        if flag in words:
            at = words.index(flag)
            words = words[:at] + words[at + 2 :]
    return shlex.join(["edgecnn", *(w for w in words if not w.startswith("--output="))])
