"""Contents of a bundle: its manifest and every file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgecnn_exporters.bundle.accept import Acceptance, Accepted
from edgecnn_exporters.bundle.examples import Examples
from edgecnn_exporters.bundle.golden_files import golden_files, outside_files
from edgecnn_exporters.bundle.requests import Request
from edgecnn_exporters.bundle.weak import flag_weak
from edgecnn_exporters.errors import CaptureFailed
from edgecnn_exporters.targets import TARGETS, About, Precision, TargetInvalid, Translated
from edgecnn_exporters.targets.onnx.target import OnnxTarget
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle.write import Contents
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.manifest import Artefact, Manifest, Postprocess
from edgecnn_runtime.parity.contents import GOLDEN_LABELS
from edgecnn_runtime.tensor_spec import TensorSpec

LABELS = "labels.txt"
# int8 first: whoever exports it means to run it.
PRECISIONS = ("int8", "fp32", "fp16")


def bundle_contents(
    models: Mapping[Precision, bytes],
    request: Request,
    provenance: dict[str, Any],
    examples: Examples,
    acceptances: dict[bytes | None, Acceptance],
    translated: Sequence[Translated] = (),
) -> Contents:
    """The manifest, without its file records, and every file of the bundle and beside it.

    Args:
        models: ONNX models by precision, fp32 among them.
        examples: what every artefact must answer.
        acceptances: made before, by the QDQ graph (None where nothing was quantised); this one is
            added.
        translated: artefacts in other formats, not yet accepted.

    Raises:
        TargetDiffers: the outputs of one of them differ from the original's.
        TargetInvalid: one of them is not what its target declares.
        WeakQuantisation: an int8 artefact loses more than it should, and that is not allowed.
    """
    engine = OnnxRuntimeEngine.open(models["fp32"])
    own = [OnnxTarget().from_bytes(model, precision) for precision, model in models.items()]
    golden, files = golden_files(examples.golden, request, engine.inputs[0].name)
    outside, beside = outside_files(examples.outside, engine.inputs[0].name)
    postprocess = None
    labels = labels_of(request, engine.outputs)
    if labels:
        files[LABELS] = "".join(f"{label}\n" for label in labels).encode()
        postprocess = Postprocess(softmax=not _is_softmax_made(models["fp32"]), labels=LABELS)
        provenance = provenance | _golden_labels(labels, examples, engine.outputs[0].name)
    every = (*own, *translated)
    for each in every:
        _check_declared(each, files)
        files |= each.files
    manifest = Manifest(
        name=request.name,
        inputs=engine.inputs,
        outputs=engine.outputs,
        artefacts=tuple(each.artefact for each in own),
        files={},
        preprocess=request.preprocess,
        postprocess=postprocess,
        golden=golden,
        provenance=provenance,
        groups=dict(examples.groups),
        task="classification" if labels else None,
        outside=outside,
    )
    qdq = models.get("int8")
    if qdq not in acceptances:
        acceptances[qdq] = Acceptance(manifest, examples, qdq)
    accepted = [acceptances[qdq].accept(each) for each in every]
    graphs = {name: hashlib.sha256(model).hexdigest() for name, model in models.items()}
    entries = [_entry(one, each, graphs) for one, each in zip(every, accepted, strict=True)]
    quantise, is_classifier = request.quantise, postprocess is not None
    # A stated limit on the loss of classes decides by itself.
    if quantise is not None and not (quantise.is_limited and is_classifier):
        entries = flag_weak(entries, accepted, is_classifier, quantise.allow_weak)
    ranked = sorted(zip(every, entries, strict=True), key=_rank)
    manifest = replace(manifest, artefacts=tuple(artefact for _, artefact in ranked))
    return Contents(manifest, files, beside)


def _is_softmax_made(model: bytes) -> bool:
    """Whether an ONNX classifier answers with probabilities by itself."""
    import onnx
    import onnx_ir as ir

    from edgecnn_exporters.capture.result_operator import answers_probabilities

    return answers_probabilities(ir.from_proto(onnx.load_from_string(model)))


def _entry(translated: Translated, accepted: Accepted, graphs: Mapping[Precision, str]) -> Artefact:
    """The artefact's entry, with its proof and the digest of the graph that it was made from."""
    precision: Precision = "int8" if translated.artefact.precision == "int8" else "fp32"
    return replace(accepted.artefact, proof=translated.target.proof, graph=graphs[precision])


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


def _golden_labels(labels: tuple[str, ...], examples: Examples, output: str) -> dict[str, Any]:
    """The label of each golden answer: what `edgecnn verify` holds a list of labels against."""
    answers = [outputs[output] for _, outputs in examples.golden]
    if not all(answer.ndim == 2 and len(answer) == 1 for answer in answers):
        return {}
    return {GOLDEN_LABELS: [labels[int(answer[0].argmax())] for answer in answers]}


def _rank(ranked: tuple[Translated, Artefact]) -> tuple[bool, int, int]:
    """Sort key of artefacts: precision, then the order of `TARGETS`, plug-ins, weak ones last."""
    translated, artefact = ranked
    names = [*TARGETS, translated.target.name]
    order = PRECISIONS.index(artefact.precision), names.index(translated.target.name)
    return artefact.is_weak, *order


def about(request: Request, labels: tuple[str, ...]) -> About:
    """Metadata that artefacts in other formats carry beside the graph."""
    bits = None if request.quantise is None else request.quantise.config.weight_bits
    return About(request.name, request.preprocess, labels, request.is_zoo, bits)


def check_labels(request: Request, answers: Mapping[str, Array]) -> None:
    """Check the number of labels against the original's answers, before the network is captured.

    Raises:
        CaptureFailed: a classifier has another number of classes.
    """
    specs = (TensorSpec(name, str(each.dtype), each.shape) for name, each in answers.items())
    labels_of(request, tuple(specs))


def labels_of(request: Request, outputs: tuple[TensorSpec, ...]) -> tuple[str, ...]:
    """One label for each class of a classifier's output (N, classes); none for other networks.

    Raises:
        CaptureFailed: the request has another number of labels.
    """
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
