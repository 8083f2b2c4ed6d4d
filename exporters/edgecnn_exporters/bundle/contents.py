"""What a bundle is to hold, put together: the request, the golden examples, the provenance."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn_exporters.bundle.accept import prove
from edgecnn_exporters.bundle.write import npy
from edgecnn_exporters.capture.examples import NAMES, example_batch, photograph
from edgecnn_exporters.capture.onnx_source import OPSET
from edgecnn_exporters.capture.reference import Float, Reference, compare_model
from edgecnn_exporters.capture.torch_export import Attempt
from edgecnn_exporters.errors import CaptureFailed
from edgecnn_exporters.quantise.calibrate.samples import Samples
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.encoding import Range
from edgecnn_exporters.targets import TARGETS, About, Translated, Wishes
from edgecnn_runtime import __version__
from edgecnn_runtime.engines import ENGINES, REFERENCE, Array
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.manifest import Artefact, Golden, Manifest, Postprocess, Preprocess, TensorSpec
from edgecnn_runtime.parity.golden import Difference

BATCHES = (1, 2, 3, 7)
GOLDEN_PICTURES = 3
LABELS = "labels.txt"


@dataclass(frozen=True)
class Verdict:
    """What a judge says of a bundle with fp32 and int8.

    Attributes:
        accuracy: for the provenance.
        failure: why it must not be shipped; None where it may.
    """

    accuracy: Mapping[str, Any]
    failure: str | None


# Told a bundle, and what to tell of the progress.
Judge = Callable[[Path, Callable[[float], None]], Verdict]


@dataclass(frozen=True)
class QuantiseRequest:
    """What an 8-bit artefact is to be made with.

    Attributes:
        data: what the samples are, for the provenance.
        inputs: of the network's input, where batch normalisation is to tell the ranges and the
            samples only judge.
        judge: sees the bundle before it is written; None where nobody asks for accuracy.
    """

    config: QuantConfig
    samples: Samples
    data: str
    judge: Judge | None = None
    inputs: Range | None = None


@dataclass(frozen=True)
class Request:
    """What a bundle is to be called and to carry.

    Attributes:
        name: short name of the network.
        input: float32, 4-D; a batch of None is dynamic.
        labels: class names in class order; None numbers the classes.
        source: where structure and weights came from; becomes part of the provenance.
        command: what was typed, for the provenance.
        quantise: how to make the 8-bit artefact; None makes none.
        targets: the formats beside ONNX.
    """

    name: str
    input: TensorSpec
    preprocess: Preprocess | None
    labels: tuple[str, ...] | None = None
    opset: int = OPSET
    source: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    quantise: QuantiseRequest | None = None
    targets: Wishes = field(default_factory=Wishes)

    def feeds(self) -> list[Float]:
        """Real pictures as inputs: at each of `BATCHES`, or three of the fixed batch size."""
        batch = self.input.shape[0]
        if batch is None:
            examples = example_batch(self.input, self.preprocess, max(BATCHES))
            return [examples[:size] for size in BATCHES]
        examples = example_batch(self.input, self.preprocess, GOLDEN_PICTURES * batch)
        return np.split(examples, GOLDEN_PICTURES)


def bundle_contents(
    models: Mapping[str, bytes],
    reference: Reference,
    request: Request,
    provenance: dict[str, Any],
    translated: Sequence[Translated] = (),
) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest (its files still open) and every file of the bundle.

    Args:
        models: ONNX models by precision, fp32 among them. Who asks for 8 bits means to run them:
            the quantised ones come first.
        translated: the same in other formats, each proven to answer as the original does.

    Raises:
        TargetDiffers: one of them does not.
    """
    engine = OnnxRuntimeEngine.open(models["fp32"])
    files = {_path(precision): model for precision, model in models.items()}
    postprocess = None
    labels = labels_of(request, engine.outputs)
    if labels:
        files[LABELS] = "".join(f"{label}\n" for label in labels).encode()
        postprocess = Postprocess(softmax=True, labels=LABELS)
    golden = _golden(reference, request, engine.inputs[0].name, files)
    own = [_artefact(precision, models[precision], reference, request) for precision in models]
    for each in translated:
        files |= each.files
    manifest = Manifest(
        name=request.name,
        inputs=engine.inputs,
        outputs=engine.outputs,
        artefacts=tuple(sorted(own, key=_rank)),
        files={},
        preprocess=request.preprocess,
        postprocess=postprocess,
        golden=golden,
        provenance=provenance,
    )
    examples = _golden_batches(reference, request)
    proven = [prove(each, manifest, examples) for each in translated]
    return replace(manifest, artefacts=tuple(sorted([*own, *proven], key=_rank))), files


def _rank(artefact: Artefact) -> tuple[int, int]:
    """Whoever asks for 8 bits means to run them; of one precision ONNX comes first."""
    precisions, formats = ("int8", "fp32", "fp16"), ("onnx", *TARGETS)
    return precisions.index(artefact.precision), formats.index(artefact.format)


def about(request: Request, labels: tuple[str, ...]) -> About:
    """What artefacts in other formats carry of the network beside its graph."""
    return About(request.name, request.preprocess, labels, request.targets)


def _path(precision: str) -> str:
    return "model.onnx" if precision == "fp32" else f"model.{precision}.onnx"


def _artefact(precision: str, model: bytes, reference: Reference, request: Request) -> Artefact:
    """An artefact's entry; of a quantised one with its distance from the original."""
    path = _path(precision)
    if precision == "fp32":
        return Artefact(path, "onnx", precision)
    found = compare_model(model, Reference(tuple(_golden_batches(reference, request))))
    return Artefact(path, "onnx", precision, sqnr_db=round(found.sqnr_db, 2))


def labels_of(request: Request, outputs: tuple[TensorSpec, ...]) -> tuple[str, ...]:
    """One label for each class of a classifier's output (N, classes); none for other networks."""
    if request.preprocess is None or len(outputs) != 1 or len(outputs[0].shape) != 2:
        return ()
    classes = outputs[0].shape[1]
    if classes is None:
        return ()
    labels = request.labels or tuple(f"class {index}" for index in range(classes))
    if len(labels) != classes:
        raise CaptureFailed(
            f"{request.name} has {classes} outputs but {len(labels)} labels; "
            "pass --labels with one line for each class"
        )
    return labels


def _golden(
    reference: Reference, request: Request, input_name: str, files: dict[str, bytes]
) -> tuple[Golden, ...]:
    """Put the golden examples into `files`: photographs, and what the original answered."""
    entries = []
    for index, (feed, outputs) in enumerate(_golden_batches(reference, request)):
        stem = f"golden/{index}"
        files[f"{stem}.input.npy"] = npy(feed)
        paths = {name: f"{stem}.output{i}.npy" for i, name in enumerate(outputs)}
        files |= {path: npy(outputs[name]) for name, path in paths.items()}
        image = None
        if request.preprocess is not None and len(feed) == 1:
            image = f"{stem}.image.npy"
            files[image] = npy(photograph(NAMES[index]))
        entries.append(Golden({input_name: f"{stem}.input.npy"}, paths, image))
    return tuple(entries)


def _golden_batches(reference: Reference, request: Request) -> list[tuple[Float, dict[str, Array]]]:
    """Three examples, each of batch 1 where the batch is dynamic."""
    if request.input.shape[0] is not None:
        return list(reference.batches)
    feed, outputs = reference.batches[-1]
    return [
        (feed[i : i + 1], {name: array[i : i + 1] for name, array in outputs.items()})
        for i in range(GOLDEN_PICTURES)
    ]


def provenance_of(
    request: Request,
    reference: Reference,
    attempts: tuple[Attempt, ...],
    passes: tuple[str, ...],
    found: Difference,
) -> dict[str, Any]:
    """Who made it, of what, and how; no date, so that equal exports are equal bytes."""
    return {
        "command": request.command,
        "source": dict(request.source),
        "capture": [{"exporter": a.exporter, "outcome": a.outcome} for a in attempts],
        "passes": list(passes),
        "batches": [len(feed) for feed, _ in reference.batches],
        "relative_difference": float(f"{found.relative:.2e}"),
        "versions": {"edgecnn": __version__, "python": platform.python_version()} | _versions(),
    }


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    engines = {entry.name: entry.package_names[0] for entry in ENGINES.values() if entry.packages}
    packages = ("torch", "onnx", "onnx-ir", "onnxscript", engines.pop(REFERENCE), "numpy")
    # What writes the other formats, as far as it is there.
    for package in (*packages, *sorted(engines.values())):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
