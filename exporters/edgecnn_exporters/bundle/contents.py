"""Contents of a bundle: its manifest and every file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgecnn_exporters.bundle.accept import accept
from edgecnn_exporters.bundle.golden_files import golden_examples, golden_files
from edgecnn_exporters.bundle.requests import Request
from edgecnn_exporters.capture.reference import Reference, compare_model
from edgecnn_exporters.errors import CaptureFailed
from edgecnn_exporters.targets import TARGETS, About, Precision, TargetInvalid, Translated
from edgecnn_exporters.targets.onnx.target import OnnxTarget
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.manifest import Artefact, Manifest, Postprocess, TensorSpec

LABELS = "labels.txt"
# int8 first: whoever exports it means to run it.
PRECISIONS = ("int8", "fp32", "fp16")


def bundle_contents(
    models: Mapping[Precision, bytes],
    reference: Reference,
    request: Request,
    provenance: dict[str, Any],
    translated: Sequence[Translated] = (),
) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest, without its file records, and every file of the bundle.

    Args:
        models: ONNX models by precision, fp32 among them.
        translated: artefacts in other formats, not yet accepted.

    Raises:
        TargetDiffers: the outputs of one of them differ from the original's.
        TargetInvalid: one of them is not what its target declares.
    """
    engine = OnnxRuntimeEngine.open(models["fp32"])
    own = [OnnxTarget().from_bytes(model, precision) for precision, model in models.items()]
    golden, files = golden_files(reference, request, engine.inputs[0].name)
    postprocess = None
    labels = labels_of(request, engine.outputs)
    if labels:
        files[LABELS] = "".join(f"{label}\n" for label in labels).encode()
        postprocess = Postprocess(softmax=True, labels=LABELS)
    for each in (*own, *translated):
        _check_declared(each, files)
        files |= each.files
    manifest = Manifest(
        name=request.name,
        inputs=engine.inputs,
        outputs=engine.outputs,
        artefacts=tuple(_with_distance(each, reference, request) for each in own),
        files={},
        preprocess=request.preprocess,
        postprocess=postprocess,
        golden=golden,
        provenance=provenance,
    )
    examples = golden_examples(reference, request)
    accepted = [(each, accept(each, manifest, examples)) for each in translated]
    ranked = sorted([*zip(own, manifest.artefacts, strict=True), *accepted], key=_rank)
    return replace(manifest, artefacts=tuple(artefact for _, artefact in ranked)), files


def _check_declared(translated: Translated, files: Mapping[str, bytes]) -> None:
    """Refuse an artefact that is not as its target declares, or whose files are in the bundle."""
    target, artefact = translated.target, translated.artefact
    is_declared = (
        artefact.format == target.format
        and artefact.precision in target.precisions
        and len(artefact.paths) == len(target.suffixes)
        and all(map(str.endswith, artefact.paths, target.suffixes))
        and set(artefact.paths) == set(translated.files)
    )
    if not is_declared:
        raise TargetInvalid(
            f"target {target.name!r} wrote {', '.join(translated.files)} ({artefact.format}, "
            f"{artefact.precision}), expected {' and '.join(target.suffixes)} ({target.format}, "
            f"{' or '.join(target.precisions)}): a defect of that target; leave it out"
        )
    if taken := translated.files.keys() & files.keys():
        raise TargetInvalid(
            f"target {target.name!r} wrote {min(taken)}, which the bundle holds already; "
            "leave one of the targets out"
        )


def _rank(ranked: tuple[Translated, Artefact]) -> tuple[int, int]:
    """Sort key of artefacts: precision, then the order of `TARGETS`, plug-in targets last."""
    translated, artefact = ranked
    names = [*TARGETS, translated.target.name]
    return PRECISIONS.index(artefact.precision), names.index(translated.target.name)


def about(request: Request, labels: tuple[str, ...]) -> About:
    """Metadata that artefacts in other formats carry beside the graph."""
    bits = None if request.quantise is None else request.quantise.config.weight_bits
    return About(request.name, request.preprocess, labels, request.is_zoo, bits)


def _with_distance(onnx: Translated, reference: Reference, request: Request) -> Artefact:
    """The manifest entry of an ONNX artefact; of a quantised one with its SQNR to the original."""
    if onnx.artefact.precision == "fp32":
        return onnx.artefact
    examples = Reference(tuple(golden_examples(reference, request)))
    difference = compare_model(onnx.model, examples)
    return replace(onnx.artefact, sqnr_db=round(difference.sqnr_db, 2))


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
