"""ONNX artefacts of a bundle with the weights that were learnt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.encoding import Range
from edgecnn_runtime.errors import ManifestInvalid
from edgecnn_runtime.learn.fold import fold
from edgecnn_runtime.learn.onnx_weights import read_weights, replace_weights
from edgecnn_runtime.learn.requantise import requantise
from edgecnn_runtime.manifest import Artefact, Manifest
from edgecnn_runtime.training import Training


@dataclass(frozen=True)
class Learnt:
    """What was learnt.

    Attributes:
        manifest: of the bundle that was opened, with the classes that are learnt.
        labels: names of the classes.
        values: parameters, statistics, constants, state and number of steps, by name.
        ranges: of `Training.ranges` in the batches that were learnt from.
    """

    manifest: Manifest
    labels: tuple[str, ...]
    values: dict[str, Array]
    ranges: dict[str, Range]


def rewritable(manifest: Manifest) -> tuple[Artefact, ...]:
    """The artefacts that can be written anew, in the bundle's order: ONNX, fp32, perhaps int8."""
    is_int8 = manifest.training is not None and manifest.training.is_int8_written
    own = (manifest.onnx("fp32"), manifest.onnx("int8") if is_int8 else None)
    return tuple(each for each in manifest.artefacts if each in own)


def rewrite(bundle: Bundle, artefact: Artefact, learnt: Learnt) -> bytes:
    """An ONNX artefact with what was learnt in place of its weights.

    Args:
        artefact: one of `rewritable`.

    Raises:
        BundleError: the artefact cannot be trusted, or lacks what the training section names.
    """
    model = bundle.read_artefact(artefact).model
    training = learnt.manifest.training
    assert training is not None
    initialisers = float_initialisers(learnt.manifest, training, learnt.values)
    before, after = bundle.manifest.outputs[0], learnt.manifest.outputs[0]
    classes = {} if before == after else {after.name: after.shape[-1] or 1}
    try:
        if artefact.precision != "int8":
            return replace_weights(model, initialisers, classes)
        known = read_weights(model, _encoding_names(training))
        tensors = requantise(training, initialisers, learnt.ranges, known)
        return replace_weights(model, tensors, classes)
    except ValueError as error:
        raise ManifestInvalid(
            f"{bundle.path}: {artefact.path} does not fit the training section: {error}"
        ) from error


def float_initialisers(
    manifest: Manifest, training: Training, values: Mapping[str, Array]
) -> dict[str, Float32]:
    """What was learnt by the names of the float artefact's initialisers."""
    made: dict[str, Float32] = {}
    for norm in training.folded:
        made |= fold(norm, values)
    folded = set(training.constants)
    own = (spec.name for spec in (*manifest.parameters, *training.statistics))
    return made | {name: values[name] for name in own if name not in folded}


def _encoding_names(training: Training) -> set[str]:
    """Scales and zero points that the int8 artefact has and that the new ones depend on."""
    names = {layer.input_scale for layer in training.quantised}
    return names | {end for seen in training.ranges for end in (seen.scale, seen.zero_point)}
