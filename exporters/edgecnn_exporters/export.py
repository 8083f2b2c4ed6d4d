"""The main job: a network in, a verified bundle out."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn_exporters.capture import (
    BATCHES,
    Attempt,
    Float,
    Reference,
    capture,
    compare_model,
    run_module,
    to_bytes,
)
from edgecnn_exporters.errors import CaptureFailed, NonFiniteWeights
from edgecnn_exporters.examples import NAMES, example_batch, photograph
from edgecnn_exporters.onnx_source import OPSET, OnnxSource
from edgecnn_exporters.package import npy, write_bundle
from edgecnn_runtime import __version__
from edgecnn_runtime.engines import Array
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.golden import Difference, is_within
from edgecnn_runtime.manifest import Artefact, Golden, Manifest, Postprocess, Preprocess, TensorSpec

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

GOLDEN_PICTURES = 3
LABELS = "labels.txt"

STAGES = ("run the original", "capture", "optimise", "verify", "package")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What a bundle is to be called and to carry.

    Attributes:
        name: short name of the network.
        input: float32, 4-D; a batch of None is dynamic.
        labels: class names in class order; None numbers the classes.
        source: where structure and weights came from; becomes part of the provenance.
        command: what was typed, for the provenance.
    """

    name: str
    input: TensorSpec
    preprocess: Preprocess | None
    labels: tuple[str, ...] | None = None
    opset: int = OPSET
    source: Mapping[str, str] = field(default_factory=dict)
    command: str = ""

    def feeds(self) -> list[Float]:
        """Real pictures as inputs: at each of `BATCHES`, or three of the fixed batch size."""
        batch = self.input.shape[0]
        if batch is None:
            examples = example_batch(self.input, self.preprocess, max(BATCHES))
            return [examples[:size] for size in BATCHES]
        examples = example_batch(self.input, self.preprocess, GOLDEN_PICTURES * batch)
        return np.split(examples, GOLDEN_PICTURES)


@dataclass(frozen=True)
class Exported:
    """A bundle that was written, and what was found on the way.

    Attributes:
        difference: of the packaged model against the original, over all batches.
        passes: names of the graph passes that changed the model.
        operators: how often each operator stands in the packaged model.
    """

    path: Path
    size_bytes: int
    manifest: Manifest
    attempts: tuple[Attempt, ...]
    difference: Difference
    passes: tuple[str, ...]
    operators: Mapping[str, int]


def export_module(
    module: torch.nn.Module, request: Request, output: Path, progress: Progress
) -> Exported:
    """Capture a PyTorch network, optimise and verify it, and write the bundle.

    Args:
        module: in evaluation mode, on the CPU, in float32.
        progress: told the name of each of `STAGES` as it begins.

    Raises:
        NonFiniteWeights: a weight is NaN or infinite.
        CaptureFailed: no exporter agrees with PyTorch.
        UnsupportedModel: the graph cannot be brought into canonical form.
        OutputNotWritable: the bundle cannot be written.
    """
    import torch

    bad = [name for name, value in module.state_dict().items() if not torch.isfinite(value).all()]
    _refuse_non_finite(bad)
    progress("run the original")
    reference = run_module(module, request.feeds())
    progress("capture")
    captured = capture(module, reference, batch=request.input.shape[0], opset=request.opset)
    return _finish(captured.model, captured.attempts, reference, request, output, progress)


def export_onnx(source: OnnxSource, request: Request, output: Path, progress: Progress) -> Exported:
    """Optimise an ONNX model (changed in place), verify it against the original, write the bundle.

    Raises:
        NonFiniteWeights, UnsupportedModel, OutputNotWritable: as `export_module`.
    """
    from edgecnn_exporters.passes import find_non_finite

    _refuse_non_finite(find_non_finite(source.model))
    progress("run the original")
    reference = _run_model(source.original, request.feeds())
    attempts = (Attempt("onnx file", "its own answers are the reference"),)
    return _finish(source.model, attempts, reference, request, output, progress)


def _finish(
    model: ir.Model,
    attempts: tuple[Attempt, ...],
    reference: Reference,
    request: Request,
    output: Path,
    progress: Progress,
) -> Exported:
    from edgecnn_exporters.passes import canonicalise

    progress("optimise")
    passes = canonicalise(model)
    progress("verify")
    content = to_bytes(model)
    found = compare_model(content, reference)
    if not is_within(found, "fp32"):
        raise CaptureFailed(
            f"the optimised graph differs from the original by {found.relative:.1e} of its output; "
            f"passes applied: {', '.join(passes)}. This is a defect of edgecnn: please report it"
        )
    progress("package")
    provenance = _provenance(request, reference, attempts, passes, found)
    manifest, files = _contents(content, reference, request, provenance)
    manifest = write_bundle(output, manifest, files)
    return Exported(
        path=output,
        size_bytes=output.stat().st_size,
        manifest=manifest,
        attempts=attempts,
        difference=found,
        passes=passes,
        operators=Counter(node.op_type for node in model.graph),
    )


def _contents(
    model: bytes, reference: Reference, request: Request, provenance: dict[str, Any]
) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest (its files still open) and every file of the bundle."""
    engine = OnnxRuntimeEngine.open(model)
    files = {"model.onnx": model}
    postprocess = None
    labels = _labels(request, engine.outputs)
    if labels:
        files[LABELS] = "".join(f"{label}\n" for label in labels).encode()
        postprocess = Postprocess(softmax=True, labels=LABELS)
    golden = _golden(reference, request, engine.inputs[0].name, files)
    manifest = Manifest(
        name=request.name,
        inputs=engine.inputs,
        outputs=engine.outputs,
        artefacts=(Artefact("model.onnx", "onnx", "fp32"),),
        files={},
        preprocess=request.preprocess,
        postprocess=postprocess,
        golden=golden,
        provenance=provenance,
    )
    return manifest, files


def _labels(request: Request, outputs: tuple[TensorSpec, ...]) -> tuple[str, ...]:
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


def _run_model(model: bytes, feeds: Sequence[Float]) -> Reference:
    engine = OnnxRuntimeEngine.open(model)
    (spec,) = engine.inputs
    return Reference(tuple((feed, engine.run({spec.name: feed})) for feed in feeds))


def _provenance(
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
    for package in ("torch", "onnx", "onnx-ir", "onnxscript", "onnxruntime", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _refuse_non_finite(names: list[str]) -> None:
    if names:
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise NonFiniteWeights(
            f"weight {names[0]}{others} holds NaN or infinity; nothing trained can be exported "
            "from it: go back to an earlier checkpoint"
        )
