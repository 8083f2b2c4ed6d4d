"""Golden step of a training graph: inputs, and the gradient that automatic differentiation gave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from edgecnn_runtime.arrays import Array, Float32, Int64
from edgecnn_runtime.bundle.training.files import check_finite, check_tensors, read_tensors
from edgecnn_runtime.errors import GoldenInvalid, ManifestInvalid
from edgecnn_runtime.manifest import Manifest
from edgecnn_runtime.tensor_spec import TensorSpec
from edgecnn_runtime.training import GRADIENT, INDEX, LABELS, LOSS, NORM, START, Training

# Of one parameter.
MAX_POSITIONS = 1 << 16


@dataclass(frozen=True)
class GoldenGradient:
    """Gradient of one parameter at some of its positions.

    Attributes:
        index: (k,) positions in the flat parameter.
        gradient: (k,) there.
        norm: Euclidean norm of the whole gradient.
    """

    index: Int64
    gradient: Float32
    norm: float


@dataclass(frozen=True)
class GoldenStep:
    """One step of learning whose gradient is known.

    Attributes:
        feeds: the network's inputs and the random inputs, by name.
        labels: as the graph reads them.
        loss: before the step.
        gradients: by parameter, without weight decay.
        start: parameters and statistics at the step, by name; empty: those of the file of values.
    """

    feeds: dict[str, Array]
    labels: Array
    loss: float
    gradients: dict[str, GoldenGradient]
    start: dict[str, Array]


def golden_step(where: str, manifest: Manifest, training: Training, content: bytes) -> GoldenStep:
    """The golden step from its safetensors file.

    Args:
        where: names the file in errors.

    Raises:
        BundleUnreadable: it is no safetensors file.
        GoldenInvalid: a tensor is missing, not the manifest's, or not finite.
    """
    tensors = read_tensors(where, content)
    try:
        return _golden_step(where, manifest, training, tensors)
    except ManifestInvalid as error:
        raise GoldenInvalid(str(error)) from error


def _golden_step(
    where: str, manifest: Manifest, training: Training, tensors: Mapping[str, Array]
) -> GoldenStep:
    parameters = manifest.parameters
    starts = tuple(
        replace(_free_classes(spec, training), name=f"{spec.name}{START}")
        for spec in (*parameters, *training.statistics)
    )
    if not any(spec.name in tensors for spec in starts):
        starts = ()
    feeds = (*manifest.inputs, *training.random)
    labels = labels_spec(manifest, training)
    if starts and training.head is not None:
        labels = replace(labels, shape=(labels.shape[0], *[None] * len(labels.shape[1:])))
    ends = tuple(
        TensorSpec(f"{spec.name}{suffix}", dtype, shape)
        for spec in parameters
        for suffix, dtype, shape in (
            (INDEX, "int64", (None,)),
            (GRADIENT, "float32", (None,)),
            (NORM, "float32", ()),
        )
    )
    specs = (*feeds, labels, TensorSpec(LOSS, "float32", ()), *starts, *ends)
    if {spec.name for spec in specs} != set(tensors):
        odd = sorted({spec.name for spec in specs} ^ set(tensors))[0]
        raise GoldenInvalid(f"{where}: the tensor {odd!r} is missing, or not the manifest's")
    check_tensors(where, tensors, specs)
    start = {spec.name.removesuffix(START): tensors[spec.name] for spec in starts}
    gradients = {
        spec.name: _gradient(where, spec, tensors, start.get(spec.name)) for spec in parameters
    }
    return GoldenStep(
        {spec.name: tensors[spec.name] for spec in feeds},
        tensors[LABELS],
        float(tensors[LOSS]),
        gradients,
        start,
    )


def _free_classes(spec: TensorSpec, training: Training) -> TensorSpec:
    """The parameter's spec; of the head's, without the number of classes, which may be another."""
    head = training.head
    if head is None or spec.name not in (head.weight, head.bias):
        return spec
    return replace(spec, shape=(None, *spec.shape[1:]))


def labels_spec(manifest: Manifest, training: Training) -> TensorSpec:
    """Type and shape of the labels of a batch."""
    output, batch = manifest.outputs[0], manifest.inputs[0].shape[0]
    if training.loss == "cross_entropy":
        return TensorSpec(LABELS, "int64", (batch,))
    return TensorSpec(LABELS, "float32", (batch, *output.shape[1:]))


def _gradient(
    where: str, spec: TensorSpec, tensors: Mapping[str, Array], start: Array | None
) -> GoldenGradient:
    index, gradient = tensors[f"{spec.name}{INDEX}"], tensors[f"{spec.name}{GRADIENT}"]
    shape = spec.shape if start is None else start.shape
    size = math.prod(extent or 1 for extent in shape)
    if index.shape != gradient.shape or not 0 < len(index) <= MAX_POSITIONS:
        raise GoldenInvalid(
            f"{where}: {spec.name!r} has {len(index)} positions and {len(gradient)} gradients, "
            f"expected as many of each, at most {MAX_POSITIONS}"
        )
    if index.min() < 0 or index.max() >= size:
        raise GoldenInvalid(
            f"{where}: a position of {spec.name!r} is outside of its {size} numbers"
        )
    norm = tensors[f"{spec.name}{NORM}"]
    check_finite(where, f"{spec.name}{NORM}", norm)
    return GoldenGradient(index, gradient, float(norm))
