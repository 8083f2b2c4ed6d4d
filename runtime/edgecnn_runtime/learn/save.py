"""A bundle of what was learnt: weights, golden answers, training files, provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.safetensors import read_safetensors, write_safetensors
from edgecnn_runtime.bundle.write import npy, record
from edgecnn_runtime.engines.adapted import adapt
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.errors import LearningFailed
from edgecnn_runtime.learn.provenance import Account, learnt_provenance
from edgecnn_runtime.learn.rewrite import Learnt, rewritable, rewrite
from edgecnn_runtime.manifest import Artefact, ChannelGroup, Manifest
from edgecnn_runtime.parity.difference import Answer, compare
from edgecnn_runtime.parity.tolerances import listed_db
from edgecnn_runtime.parity.weakness import weakness
from edgecnn_runtime.training import START

Outputs = Mapping[str, Array]


@dataclass(frozen=True)
class _Written:
    """An artefact with new weights, and its answers to the golden inputs."""

    artefact: Artefact
    model: bytes
    answers: Sequence[Outputs]


def learnt_contents(
    bundle: Bundle, learnt: Learnt, account: Account, threads: int | None
) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest, without its file records, and every file of a bundle of what was learnt.

    What cannot be written anew on a device is left out: artefacts of other formats and precisions,
    compiled ones, and golden examples beside the bundle. Golden answers are the new float
    artefact's, and the int8 artefact's SQNR is measured against them.

    Raises:
        LearningFailed: the network with its new weights answers with NaN or infinity.
        BundleError, EngineError: an artefact cannot be read, rewritten or run.
    """
    written = [
        _written(bundle, learnt, artefact, threads) for artefact in rewritable(bundle.manifest)
    ]
    (reference,) = (each.answers for each in written if each.artefact.precision == "fp32")
    groups = _groups(learnt.manifest, reference)
    artefacts = [_artefact(each, reference, groups, learnt) for each in written]
    manifest = replace(
        learnt.manifest,
        # One that is weak stands behind every other.
        artefacts=tuple(sorted(artefacts, key=lambda one: one.is_weak)),
        groups=groups,
        outside=None,
    )
    files = _other_files(bundle)
    files |= {each.artefact.path: each.model for each in written}
    for entry, outputs in zip(manifest.golden, reference, strict=True):
        files |= {path: npy(outputs[name]) for name, path in entry.outputs.items()}
    if manifest.postprocess is not None:
        text = "".join(f"{label}\n" for label in learnt.labels)
        files[manifest.postprocess.labels] = text.encode()
    files |= _training_files(bundle, learnt)
    before = {*bundle.manifest.files}
    if bundle.manifest.outside is not None:
        before.add(bundle.manifest.outside.file)
    left_out = sorted(before - set(files))
    provenance = learnt_provenance(bundle, manifest, learnt.labels, reference, account, left_out)
    return replace(manifest, provenance=provenance, files={}), files


def _written(bundle: Bundle, learnt: Learnt, artefact: Artefact, threads: int | None) -> _Written:
    model = rewrite(bundle, artefact, learnt)
    with bundle.budget.step():
        engine = OnnxRuntimeEngine.open(model, threads=threads)
    try:
        adapted = adapt(engine, learnt.manifest, artefact)
        answers = []
        for index in range(len(bundle.manifest.golden)):
            with bundle.budget.step():
                answers.append(adapted.run(bundle.golden(index).inputs))
    finally:
        engine.close()
    for outputs in answers:
        for name, array in outputs.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise LearningFailed(
                    f"{artefact.path} with what was learnt answers a golden input with NaN or "
                    f"infinity in {name!r}; nothing was saved. Learn with a smaller learning_rate"
                )
    return _Written(artefact, model, answers)


def _groups(manifest: Manifest, answers: Sequence[Outputs]) -> dict[str, tuple[ChannelGroup, ...]]:
    """The groups of each output's channels with the range of the new answers."""
    if not answers:
        return manifest.groups
    return {
        name: tuple(_ranged(group, [each[name] for each in answers]) for group in groups)
        for name, groups in manifest.groups.items()
    }


def _ranged(group: ChannelGroup, answers: Sequence[Array]) -> ChannelGroup:
    channels = [index for low, high in group.channels for index in range(low, high)]
    parts = [
        each if group.axis is None else np.take(each, channels, group.axis) for each in answers
    ]
    low, high = min(part.min() for part in parts), max(part.max() for part in parts)
    return replace(group, low=float(low), high=float(high))


def _artefact(
    written: _Written,
    reference: Sequence[Outputs],
    groups: Mapping[str, tuple[ChannelGroup, ...]],
    learnt: Learnt,
) -> Artefact:
    """The artefact's entry: its graph, and of an int8 one how far it is from the float one."""
    artefact = replace(
        written.artefact,
        proof="measured",
        graph=record(written.model).sha256,
        compiler=None,
        sqnr_db={},
        outside_db={},
        is_weak=False,
    )
    if artefact.precision != "int8" or not reference:
        return artefact
    difference = compare(
        (
            Answer(name, wanted[name], given[name])
            for wanted, given in zip(reference, written.answers, strict=True)
            for name in wanted
        ),
        groups,
    )
    is_weak = weakness(difference, learnt.manifest.postprocess is not None) is not None
    return replace(artefact, sqnr_db=listed_db(difference), is_weak=is_weak)


def _other_files(bundle: Bundle) -> dict[str, bytes]:
    """Files that belong to no artefact and that learning does not change."""
    manifest = bundle.manifest
    gone = {path for one in manifest.artefacts for path in (*one.paths, one.report)}
    gone |= {path for entry in manifest.golden for path in entry.outputs.values()}
    assert manifest.training is not None
    gone |= {manifest.training.values, manifest.training.golden or ""}
    if manifest.postprocess is not None:
        gone.add(manifest.postprocess.labels)
    return {path: bundle.read(path) for path in manifest.files if path not in gone}


def _training_files(bundle: Bundle, learnt: Learnt) -> dict[str, bytes]:
    """The values to go on from, and the golden step with the weights that it was taken at.

    Its gradient is the one of automatic differentiation in float64, where the network was exported;
    at the new weights this engine alone could give one, which would prove nothing.
    """
    training = bundle.manifest.training
    assert training is not None
    files = {training.values: write_safetensors(learnt.values)}
    if training.golden is None:
        return files
    golden = read_safetensors(bundle.read(training.golden))
    specs = (*bundle.manifest.parameters, *training.statistics)
    if not any(f"{spec.name}{START}" in golden for spec in specs):
        begun = bundle.training().values
        golden |= {f"{spec.name}{START}": begun[spec.name] for spec in specs}
    return files | {training.golden: write_safetensors(golden)}
