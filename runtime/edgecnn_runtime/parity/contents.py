"""Verification of what a bundle holds beside its artefacts: preprocessing, labels, provenance."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import ImageError
from edgecnn_runtime.manifest import Manifest, Preprocess
from edgecnn_runtime.parity.difference import difference
from edgecnn_runtime.parity.row import Parity
from edgecnn_runtime.parity.verdict import ParityVerdict

# Values on either side of a rounding boundary differ by one grey level; a larger difference means
# another preprocessing.
PREPROCESS_LEVELS = 1.0
PREPROCESSING, LABELS, PROVENANCE = "preprocessing", "labels", "provenance"
# Key of the provenance: the label of each golden example's answer, where it was exported.
GOLDEN_LABELS = "golden_labels"


def verify_contents(bundle: Bundle) -> list[Parity]:
    """A row for each of preprocessing, labels and provenance that the bundle can show.

    Raises:
        BundleError: a golden file is not what the manifest says.
    """
    rows = (_verify_preprocess(bundle), _verify_labels(bundle), _verify_graphs(bundle.manifest))
    return [row for row in rows if row is not None]


def _verify_preprocess(bundle: Bundle) -> Parity | None:
    """Check that the bundle's preprocessing of the golden images gives the golden inputs."""
    spec = bundle.manifest.preprocess
    if spec is None or not any(entry.image for entry in bundle.manifest.golden):
        return None
    try:
        result = difference(_prepared(bundle, spec))
    except (ValueError, ImageError) as error:
        return _row(PREPROCESSING, "differs", f"does not fit the golden images: {error}")
    limit = PREPROCESS_LEVELS * abs(spec.scale) / float(np.abs(spec.std).min()) * (1 + 1e-5)
    verdict: ParityVerdict = "equal" if result.max_abs <= limit else "differs"
    return Parity(PREPROCESSING, None, "uint8", verdict, result, "≤ 1 level")


def _prepared(bundle: Bundle, spec: Preprocess) -> Iterator[tuple[Array, Array]]:
    """Golden inputs and what preprocessing makes of their images; one pair in memory at a time."""
    from edgecnn_runtime.image.preprocess import preprocess

    name = bundle.manifest.inputs[0].name
    for index in range(len(bundle.manifest.golden)):
        example = bundle.golden(index)
        if example.image is not None:
            yield example.inputs[name], preprocess(example.image, spec)


def _verify_labels(bundle: Bundle) -> Parity | None:
    """Check the number of labels, and that golden answers have the labels that they had."""
    output = bundle.manifest.outputs[0]
    # Without golden answers nothing says that the labels are the right ones.
    if bundle.manifest.postprocess is None or not bundle.manifest.golden:
        return None
    labels, classes = bundle.labels(), output.shape[-1]
    if len(labels) != classes:
        note = f"{len(labels)} labels for the {classes} classes of {output.name}"
        return _row(LABELS, "differs", note)
    answers = golden_labels(bundle)
    for index, (best, recorded) in enumerate(answers):
        if labels[best] != recorded:
            note = (
                f"golden example {index} is class {best}, {labels[best]!r}; it was {recorded!r} "
                "where it was exported"
            )
            return _row(LABELS, "differs", note)
    return _row(LABELS, "equal", "unchanged" if answers else f"{len(labels)} classes")


def golden_labels(bundle: Bundle) -> list[tuple[int, str]]:
    """The class of each golden answer, and the label that it had where it was exported.

    Empty where the provenance records none, or other examples.
    """
    recorded = bundle.manifest.provenance.get(GOLDEN_LABELS)
    count = len(bundle.manifest.golden)
    if not isinstance(recorded, list) or len(recorded) != count:
        return []
    name = bundle.manifest.outputs[0].name
    pairs = []
    for index, label in enumerate(recorded):
        answer = bundle.golden(index).outputs.get(name)
        if answer is not None and answer.ndim == 2 and len(answer) == 1 and isinstance(label, str):
            pairs.append((int(answer[0].argmax()), label))
    return pairs


def _verify_graphs(manifest: Manifest) -> Parity | None:
    """Check that every artefact was made from the bundle's ONNX graph of its precision."""
    graphs = {each.precision: each for each in manifest.artefacts if each.format == "onnx"}
    checked = 0
    for artefact in manifest.artefacts:
        own = graphs.get("int8" if artefact.precision == "int8" else "fp32")
        if artefact.graph is None or own is None or own.path not in manifest.files:
            continue
        checked += 1
        if artefact.graph != manifest.files[own.path].sha256:
            note = f"{artefact.path} was made from another graph than this {own.path}"
            if artefact is own:
                note = f"{own.path} is not the graph that was exported: its digest was another"
            return _row(PROVENANCE, "differs", note)
    if not checked:
        return None
    return _row(PROVENANCE, "equal", "one graph")


def _row(subject: str, verdict: ParityVerdict, note: str) -> Parity:
    return Parity(subject, None, "", verdict, None, note)
