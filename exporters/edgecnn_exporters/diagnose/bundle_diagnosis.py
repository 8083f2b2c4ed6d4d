"""Diagnosis of an artefact of a bundle, of its preprocessing and of its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgecnn_exporters.diagnose.bundles.entry import diagnose_entry
from edgecnn_exporters.diagnose.bundles.open_candidate import model_of
from edgecnn_exporters.diagnose.bundles.references import References
from edgecnn_exporters.diagnose.causes.labels import other_labels
from edgecnn_exporters.diagnose.diagnose import diagnose, diagnose_preprocessing
from edgecnn_exporters.diagnose.diagnosis import Diagnosis
from edgecnn_exporters.diagnose.swapped import diagnose_reference
from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import EngineUnavailable
from edgecnn_runtime.manifest import Artefact
from edgecnn_runtime.parity.contents import golden_labels

Feeds = Mapping[str, Array]


def diagnose_artefact(
    bundle: Bundle, artefact: Artefact, references: References | None = None
) -> Diagnosis | None:
    """Diagnose an artefact that differs from the original network; None where no node of it does.

    It is compared with one that answers the golden inputs: the bundle's float ONNX graph, or for an
    8-bit artefact of another format the QDQ graph, whose scales it copies; where these are wrong
    themselves, with any other. The inputs are the golden ones. None means that the golden outputs
    come from another network, if no artefact answers them, or that the engine computed the artefact
    correctly here.

    Args:
        references: what is known already of the bundle's artefacts.

    Raises:
        BundleError: a file differs from its entry in the manifest.
        UnsupportedModel: the bundle has nothing to compare with, or the format cannot be diagnosed.
        EngineUnavailable: the engine of the format is not installed.
    """
    references = references or References(bundle)
    entry = diagnose_entry(bundle, artefact)
    if entry is not None:
        return entry
    candidate, feeds = references.candidate(artefact), _golden_inputs(bundle)
    others = list(references.sound_for(artefact))
    if others:
        return _compare_with_any(references, artefact, others, feeds)
    first = references.onnx("fp32")
    if first is None:
        raise UnsupportedModel(
            f"{bundle.path}: the bundle has no float ONNX graph to compare {artefact.path} with; "
            "export it again with the target onnx"
        )
    found = diagnose(model_of(bundle, first), candidate, feeds)
    if found is None or first.path == artefact.path:
        return found  # of the float graph itself: what the engine computes otherwise
    raise UnsupportedModel(
        f"no artefact of the bundle answers the golden inputs; {artefact.path} and {first.path} "
        f"differ first at {found.node}, and either may be wrong there: export the network again"
    )


def _compare_with_any(
    references: References, artefact: Artefact, others: Sequence[Artefact], feeds: Feeds
) -> Diagnosis | None:
    """Compare an artefact with sound ones until a cause is confirmed; else the first diagnosis."""
    diagnoses = []
    for other in others:
        try:
            found = _compare_with(references, artefact, other, feeds)
        except (UnsupportedModel, EngineUnavailable):  # that one cannot be compared with
            continue
        if found is not None:
            diagnoses.append(replace(found, reference=other.path))
            if found.is_confirmed:
                return diagnoses[-1]
    return diagnoses[0] if diagnoses else None


def _compare_with(
    references: References, artefact: Artefact, other: Artefact, feeds: Feeds
) -> Diagnosis | None:
    """Compare an artefact with a sound one."""
    candidate = references.candidate(artefact)
    if other.precision == "int8" and artefact.precision != "int8":
        return diagnose_reference(candidate, references.candidate(other), feeds)
    graph = references.graph(other)
    return None if graph is None else diagnose(graph, candidate, feeds, references.origin())


def diagnose_bundle_preprocessing(bundle: Bundle) -> Diagnosis | None:
    """Diagnose preprocessing that does not give the golden inputs; None where it does.

    Raises:
        BundleError: a file differs from its entry in the manifest.
    """
    spec, name = bundle.manifest.preprocess, bundle.manifest.inputs[0].name
    examples = [bundle.golden(index) for index in range(len(bundle.manifest.golden))]
    pairs = [(each.image, each.inputs[name]) for each in examples if each.image is not None]
    return None if spec is None or not pairs else diagnose_preprocessing(spec, pairs, name)


def diagnose_labels(bundle: Bundle) -> Diagnosis | None:
    """Diagnose labels that are not those of the golden answers; None where they are.

    Raises:
        BundleError: a file differs from its entry in the manifest.
    """
    output = bundle.manifest.outputs[0]
    finding = other_labels(bundle.labels(), golden_labels(bundle), output.shape[-1])
    if finding is None:
        return None
    return Diagnosis(
        node=output.name,
        operator="output",
        candidate="labels",
        cause=finding.cause.value,
        sentence=finding.sentence,
        fix=finding.fix,
        is_confirmed=finding.is_confirmed,
        isolated=float("inf"),
        after=finding.ratio,
        allowance="the labels of the golden answers",
    )


def _golden_inputs(bundle: Bundle) -> Feeds:
    examples = [bundle.golden(index) for index in range(len(bundle.manifest.golden))]
    names = [spec.name for spec in bundle.manifest.inputs]
    return {name: np.concatenate([each.inputs[name] for each in examples]) for name in names}
