"""Training graph of a bundle: its facts, and what stays of it in a strip."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from edgecnn.bundles.members import training_files
from edgecnn_runtime.manifest import Manifest


@dataclass(frozen=True)
class LearningFacts:
    """Training graph: what a device may learn.

    Attributes:
        graph: path in the bundle.
        size_bytes: of its files: graph, values, golden step.
        parameters: number of learnt tensors.
        numbers: in all of them.
        loss, optimiser: of a step.
        backbone: precision of the frozen layers in front of what is learnt.
        normalisation: statistics of batch normalisation: as they are, or of each batch.
        is_class_count_free: the last layer can be made anew for other classes.
        is_int8_written: a device can write the int8 artefact anew.
    """

    graph: str
    size_bytes: int
    parameters: int
    numbers: int
    loss: str
    optimiser: str
    backbone: str
    normalisation: str
    is_class_count_free: bool
    is_int8_written: bool


def learning_facts(manifest: Manifest) -> LearningFacts | None:
    """The training graph of a bundle; None without one."""
    training = manifest.training
    if training is None:
        return None
    return LearningFacts(
        graph=training.graph,
        size_bytes=sum(manifest.files[path].size for path in training_files(training)),
        parameters=len(manifest.parameters),
        numbers=sum(math.prod(n or 1 for n in spec.shape) for spec in manifest.parameters),
        loss=training.loss,
        optimiser=training.optimiser,
        backbone=training.backbone,
        normalisation=training.normalisation,
        is_class_count_free=training.head is not None,
        is_int8_written=training.is_int8_written,
    )


def keep_trainable(manifest: Manifest, keep: tuple[str, ...], *, keep_golden: bool) -> Manifest:
    """The manifest, its training section as far as there are artefacts to write into.

    Args:
        keep: files to keep; the training graph only if it is one of them. Empty for all.
        keep_golden: the golden step, which holds golden images, stays.
    """
    is_left_out = (
        bool(keep) and manifest.training is not None and manifest.training.graph not in keep
    )
    if manifest.onnx("fp32") is None or is_left_out:
        # Parameters are names of that graph's initialisers.
        return replace(manifest, parameters=(), training=None)
    training = manifest.training
    if training is None:
        return manifest
    if not keep_golden:
        training = replace(training, golden=None)
    if training.is_int8_written and manifest.onnx("int8") is None:
        training = replace(training, is_int8_written=False, quantised=())
    return replace(manifest, training=training)


def graph_paths(manifest: Manifest) -> tuple[str, ...]:
    """Paths of the training graph and its golden step; none without one."""
    training = manifest.training
    if training is None:
        return ()
    return (training.graph,) if training.golden is None else (training.graph, training.golden)
