"""Batches of labelled images as a training graph reads them, checked before a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.bundle.training.golden_step import labels_spec
from edgecnn_runtime.errors import LearningFailed
from edgecnn_runtime.manifest import Manifest
from edgecnn_runtime.training import Training


def label_array(labels: Any, names: tuple[str, ...], manifest: Manifest) -> Array:
    """The labels of a batch as an array.

    Args:
        labels: of cross-entropy: class numbers, class names, or one of either; else numbers.
        names: of the classes.

    Raises:
        LearningFailed: a name is no class's, or what is given is no list of labels.
    """
    training = manifest.training
    assert training is not None
    spec = labels_spec(manifest, training)
    listed = [labels] if isinstance(labels, str | int) else labels
    if isinstance(listed, list | tuple) and any(isinstance(each, str) for each in listed):
        listed = [_class_of(each, names) if isinstance(each, str) else each for each in listed]
    try:
        array = np.asarray(listed)
    except ValueError as error:
        raise LearningFailed(f"labels are no array: {error}; expected {spec}") from error
    if array.dtype.kind == "U":
        array = np.array([_class_of(str(each), names) for each in array.ravel()])
    if array.ndim < len(spec.shape):
        array = array.reshape([1] * (len(spec.shape) - array.ndim) + [*array.shape])
    if spec.dtype == "int64":
        return array.astype(np.int64) if array.dtype.kind in "iu" else array
    return array.astype(np.float32) if array.dtype.kind in "iuf" else array


def _class_of(name: str, names: tuple[str, ...]) -> int:
    if name not in names:
        listing = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        raise LearningFailed(
            f"label {name[:80]!r} is no class of the network, which has {listing or 'none'}; for "
            "other classes open the bundle with labels=[…]"
        )
    return names.index(name)


def check_batch(
    manifest: Manifest,
    training: Training,
    feeds: Mapping[str, Array],
    labels: Array,
    most_bytes: int,
) -> int:
    """Check that a batch can be learnt from; the number of its images.

    Args:
        feeds: the network's inputs, whose types and shapes are checked already.
        most_bytes: that its random numbers may take.

    Raises:
        LearningFailed: names what is wrong and what to do.
    """
    name = manifest.inputs[0].name
    count = len(feeds[name])
    for each, array in feeds.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise LearningFailed(
                f"input {each!r} holds NaN or infinity, which no weight would survive; leave that "
                "image out"
            )
    if count < training.least_batch:
        raise LearningFailed(
            "a batch of one image has no statistics to normalise by; learn from two or more at a "
            "time, or export the network with --learn-norm frozen"
        )
    drawn = count * sum(spec.size_bytes for spec in training.random)
    if drawn > most_bytes:
        raise LearningFailed(
            f"{count} images take {drawn:,} bytes of random numbers, at most {most_bytes:,} are "
            "allowed; learn from fewer at a time"
        )
    _check_labels(manifest, training, labels, count)
    return count


def _check_labels(manifest: Manifest, training: Training, labels: Array, count: int) -> None:
    spec = labels_spec(manifest, training)
    expected = (count, *(extent or 1 for extent in spec.shape[1:]))
    if labels.dtype.name != spec.dtype:
        kind = "class numbers or names" if spec.dtype == "int64" else "numbers"
        raise LearningFailed(f"labels are {labels.dtype}, expected {kind}, one for each image")
    if labels.shape != expected:
        raise LearningFailed(
            f"labels have shape {labels.shape} for {count} images, expected {expected}"
        )
    if spec.dtype == "int64":
        classes = manifest.outputs[0].shape[-1] or 1
        wrong = labels[(labels < 0) | (labels >= classes)]
        if wrong.size:
            raise LearningFailed(
                f"label {wrong[0]} is out of range: the network has {classes} classes, from 0 to "
                f"{classes - 1}; for other classes open the bundle with labels=[…]"
            )
        return
    if not np.isfinite(labels).all():
        raise LearningFailed("labels hold NaN or infinity; leave those images out")
    if training.loss == "binary_cross_entropy" and (labels.min() < 0 or labels.max() > 1):
        raise LearningFailed(
            f"labels are {labels.min()} to {labels.max()}, expected probabilities from 0 to 1"
        )
