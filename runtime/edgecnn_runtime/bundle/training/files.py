"""Files of a bundle's training section: the graph, the values that it begins with, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle.limits.onnx import refuse_unsafe_onnx
from edgecnn_runtime.bundle.safetensors import read_safetensors
from edgecnn_runtime.errors import BundleUnreadable, ManifestInvalid
from edgecnn_runtime.manifest import Manifest
from edgecnn_runtime.tensor_spec import TensorSpec
from edgecnn_runtime.training import STEP, FoldedNorm, Training

# The checked content of a file by its path in an archive.
Read = Callable[[str], bytes]


@dataclass(frozen=True)
class TrainingFiles:
    """Training graph of a bundle, and the values that it begins with.

    Attributes:
        graph: ONNX, within the budget and without anything outside itself.
        values: parameters, statistics and constants by name; state and `STEP` where it has learnt.
    """

    graph: bytes
    values: dict[str, Array]


def training_files(
    archive: str, manifest: Manifest, training: Training, read: Read, budget: Budget
) -> TrainingFiles:
    """The graph and the values of a training section.

    Args:
        archive: path of the file that `read` reads from, for errors.

    Raises:
        BundleUnreadable: a file is not of its format.
        ExternalData, OverBudget: the graph refers to something outside itself, or costs too much.
        ManifestInvalid: the values are not those that the manifest lists, or not finite.
    """
    graph = read(training.graph)
    refuse_unsafe_onnx(graph, f"{archive}: {training.graph}", budget)
    where = f"{archive}: {training.values}"
    values = read_tensors(where, read(training.values))
    specs = (*manifest.parameters, *training.statistics)
    constants = set(training.constants) - {spec.name for spec in specs}
    states = {spec.name: spec for spec in training.state}
    states.setdefault(STEP, TensorSpec(STEP, "int64", ()))
    expected = {spec.name: spec for spec in specs}
    expected |= {name: spec for name, spec in states.items() if name in values}
    if missing := sorted((set(expected) | constants) - set(values)):
        raise ManifestInvalid(f"{where} has no tensor {missing[0]!r}, which is learnt")
    if extra := sorted(set(values) - set(expected) - constants):
        raise ManifestInvalid(f"{where} has the tensor {extra[0]!r}, which the manifest does not")
    check_tensors(where, values, expected.values())
    for name in constants:
        check_finite(where, name, values[name])
    if STEP in values and values[STEP] < 0:
        raise ManifestInvalid(f"{where}: {STEP} is {values[STEP]}, expected a number of steps")
    for norm in training.folded:
        _check_norm(where, norm, values)
    return TrainingFiles(graph, values)


def read_tensors(where: str, content: bytes) -> dict[str, Array]:
    """The tensors of a safetensors file.

    Raises:
        BundleUnreadable: it is none; `where` names it.
    """
    try:
        return read_safetensors(content)
    except ValueError as error:
        raise BundleUnreadable(f"{where} is not a safetensors file: {error}") from error


def check_tensors(where: str, tensors: Mapping[str, Array], specs: Iterable[TensorSpec]) -> None:
    """Check type, shape and finiteness of the tensors of `specs`, which are there.

    Raises:
        ManifestInvalid: names the tensor.
    """
    for spec in specs:
        array = tensors[spec.name]
        fits = len(array.shape) == len(spec.shape) and all(
            extent in (None, actual) for actual, extent in zip(array.shape, spec.shape, strict=True)
        )
        if array.dtype.name != spec.dtype or not fits:
            found = TensorSpec(spec.name, array.dtype.name, array.shape)
            raise ManifestInvalid(f"{where} holds {found}, expected {spec}")
        check_finite(where, spec.name, array)


def check_finite(where: str, name: str, array: Array) -> None:
    """Check that an array of floats has no NaN and no infinity.

    Raises:
        ManifestInvalid: it has.
    """
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ManifestInvalid(f"{where}: {name!r} holds NaN or infinity")


def _check_norm(where: str, norm: FoldedNorm, values: Mapping[str, Array]) -> None:
    """Check that the vectors of a folded norm are as long as the weight has output channels."""
    channels = values[norm.gamma].shape
    vectors = [norm.beta, norm.mean, norm.variance, *([norm.bias] if norm.bias else [])]
    weight = values[norm.weight]
    is_vector = len(channels) == 1 and all(values[name].shape == channels for name in vectors)
    # A grouped ConvTranspose has (in, out / group, …).
    along = weight.shape[norm.axis] if weight.ndim > norm.axis else 0
    is_split = bool(along) and channels and channels[0] % along == 0
    groups = channels[0] // along if is_split else 0
    if not is_vector or not groups or (groups > 1 and (not norm.axis or weight.shape[0] % groups)):
        raise ManifestInvalid(
            f"{where}: {norm.gamma!r} has shape {channels}, expected one for each output channel "
            f"of {norm.weight!r} {weight.shape}"
        )
    if values[norm.variance].min() < 0 or values[norm.variance].min() + norm.epsilon <= 0:
        raise ManifestInvalid(f"{where}: {norm.variance!r} is no variance: it is negative or zero")
