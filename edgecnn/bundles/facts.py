"""Facts of a bundle: artefacts, preprocessing, labels, golden examples, provenance, digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgecnn.bundles.members import artefact_files, golden_files
from edgecnn.bundles.provenance import ProvenanceFacts, provenance_facts
from edgecnn.bundles.training_graph import LearningFacts, learning_facts
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.engines import engine_of_format
from edgecnn_runtime.manifest import Artefact, Manifest, Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec

# Below it all digests are checked: 64 MB take 0.1 s.
HASHED_BYTES = 64 << 20
LARGEST = 3


@dataclass(frozen=True)
class ArtefactFacts:
    """An artefact of a bundle.

    Attributes:
        path: in the bundle.
        files: all paths that belong to it: weights file, companions, report.
        format: such as "onnx".
        precision: such as "int8".
        size_bytes: of all its files.
        engine: that opens it; None where only a vendor's runtime does.
        proof: kind of proof of its answers.
        sqnr_db: of the worst group of outputs, where the bundle records it.
        is_weak: it loses more than int8 should.
        target: what it was compiled for; None for a CPU.
        compiler: name and version of what wrote it, where that is not edgecnn.
    """

    path: str
    files: tuple[str, ...]
    format: str
    precision: str
    size_bytes: int
    engine: str | None
    proof: str
    sqnr_db: float | None
    is_weak: bool
    target: str | None
    compiler: str | None


@dataclass(frozen=True)
class LabelFacts:
    """Labels of a classifier.

    Attributes:
        file: path in the bundle.
        count: number of labels.
        first, last: label of the first and of the last class.
        is_softmax: scores are the softmax of the output.
    """

    file: str
    count: int
    first: str
    last: str
    is_softmax: bool


@dataclass(frozen=True)
class GoldenFacts:
    """Golden examples: inputs with the original network's outputs.

    Attributes:
        count: examples in the bundle.
        images: how many have the photograph that the input was made from.
        size_bytes: of their files in the bundle.
        outside_file: file beside the bundle with further examples; None where there is none.
        outside_count: examples in it.
    """

    count: int
    images: int
    size_bytes: int
    outside_file: str | None
    outside_count: int


@dataclass(frozen=True)
class BundleFacts:
    """Facts of a bundle.

    Attributes:
        bundle: path of the file.
        name: of the network.
        manifest_schema: of the bundle format.
        task: what the network is for; None where it is unknown.
        size_bytes: of the file.
        files: number of files in the bundle.
        learning: its training graph; None without one.
        largest: path and size in bytes of the largest files in it, and of all others as "others".
        are_digests_checked: every file has the sha256 that the manifest lists; False: only the
            labels were hashed, because the bundle is large.
    """

    bundle: str
    name: str
    manifest_schema: str
    task: str | None
    size_bytes: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    artefacts: tuple[ArtefactFacts, ...]
    preprocess: Preprocess | None
    labels: LabelFacts | None
    golden: GoldenFacts
    learning: LearningFacts | None
    provenance: ProvenanceFacts
    files: int
    largest: Mapping[str, int]
    are_digests_checked: bool


def bundle_facts(path: Path, budget: Budget | None = None) -> BundleFacts:
    """The facts of a bundle; no engine opens it, and no artefact is parsed.

    Raises:
        BundleError: the file cannot be trusted.
    """
    with Bundle(path, budget) as bundle:
        manifest = bundle.manifest
        labels = _label_facts(bundle)
        total = sum(record.size for record in manifest.files.values())
        if total <= HASHED_BYTES:
            for name in manifest.files:
                bundle.read(name)
        return BundleFacts(
            bundle=str(path),
            name=manifest.name,
            manifest_schema=manifest.schema,
            task=manifest.task,
            size_bytes=path.stat().st_size,
            inputs=manifest.inputs,
            outputs=manifest.outputs,
            artefacts=tuple(_artefact_facts(manifest, one) for one in manifest.artefacts),
            preprocess=manifest.preprocess,
            labels=labels,
            golden=golden_facts(manifest),
            learning=learning_facts(manifest),
            provenance=provenance_facts(manifest.provenance),
            files=len(manifest.files),
            largest=_largest(manifest, total),
            are_digests_checked=total <= HASHED_BYTES,
        )


def golden_facts(manifest: Manifest) -> GoldenFacts:
    """Count and size of the golden examples."""
    outside = manifest.outside
    return GoldenFacts(
        count=len(manifest.golden),
        images=sum(one.image is not None for one in manifest.golden),
        size_bytes=sum(manifest.files[path].size for path in golden_files(manifest)),
        outside_file=None if outside is None else outside.file,
        outside_count=0 if outside is None else len(outside.examples),
    )


def _artefact_facts(manifest: Manifest, artefact: Artefact) -> ArtefactFacts:
    files = artefact_files(artefact)
    listed = [each for groups in artefact.sqnr_db.values() for each in groups]
    return ArtefactFacts(
        path=artefact.path,
        files=files,
        format=artefact.format,
        precision=artefact.precision,
        size_bytes=sum(manifest.files[path].size for path in files),
        engine=None if artefact.target else engine_of_format(artefact.format),
        proof=artefact.proof,
        sqnr_db=min(listed, default=artefact.pooled_db),
        is_weak=artefact.is_weak,
        target=artefact.target,
        compiler=artefact.compiler,
    )


def _label_facts(bundle: Bundle) -> LabelFacts | None:
    postprocess, labels = bundle.manifest.postprocess, bundle.labels()
    if postprocess is None or not labels:
        return None
    return LabelFacts(
        postprocess.labels, len(labels), labels[0], labels[-1], is_softmax=postprocess.softmax
    )


def _largest(manifest: Manifest, total: int) -> dict[str, int]:
    ranked = sorted(manifest.files.items(), key=lambda each: (-each[1].size, each[0]))
    sizes = {path: record.size for path, record in ranked[:LARGEST]}
    others = total - sum(sizes.values())
    return sizes | ({"others": others} if others else {})
