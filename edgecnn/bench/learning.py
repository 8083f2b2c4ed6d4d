"""Rows of ``edgecnn bench --learn``: a step of learning, and an inference of as many images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecnn.errors import BenchRefused, OptionsRefused
from edgecnn.learn.prepare import BATCH, refuse_too_few
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import NotTrainable
from edgecnn_runtime.manifest import Artefact, Manifest

LEARNING_ENGINE = "onnxruntime"
"""The one engine that runs training graphs."""


def learning_artefacts(
    bundle: Path, manifest: Manifest, precisions: Sequence[str], engines: Sequence[str]
) -> list[Artefact]:
    """The ONNX artefact that is run for comparison, and the training graph.

    Args:
        precisions: of the artefact; empty for that of the frozen layers.
        engines: that were asked for; empty for the one that learns.

    Raises:
        NotTrainable: the bundle has no training graph.
        BenchRefused: it has no such artefact.
        OptionsRefused: another engine is asked for.
    """
    training = manifest.training
    if training is None:
        raise NotTrainable(
            f"{bundle} has no training graph, so that nothing can be learnt with it; "
            "edgecnn export MODEL --learn head writes one"
        )
    if others := sorted({*engines} - {LEARNING_ENGINE}):
        raise OptionsRefused(
            f"--engine {others[0]}: {LEARNING_ENGINE} alone runs a step of --learn"
        )
    wanted = precisions or (training.backbone,)
    found = [
        one
        for one in manifest.artefacts
        if one.format == "onnx" and one.precision in wanted and one.target is None
    ]
    if not found:
        listing = ", ".join(f"{one.path} ({one.precision})" for one in manifest.artefacts)
        raise BenchRefused(
            f"{bundle} has no ONNX artefact in {', '.join(wanted)} to compare a step with; it has "
            f"{listing}"
        )
    return [found[0], Artefact(training.graph, "onnx", training.backbone)]


def learning_batch(bundle: Path, given: int | None) -> int:
    """Images of a step, and of the inference that it is compared with.

    Raises:
        OptionsRefused: the training graph takes another number, or more than one image.
    """
    with Bundle(bundle) as opened:
        manifest = opened.manifest
    fixed = manifest.inputs[0].shape[0]
    if fixed is not None and given not in (None, fixed):
        raise OptionsRefused(
            f"--batch {given}: the training graph of {bundle} takes {fixed} images at once"
        )
    batch = fixed or given or BATCH
    refuse_too_few(batch, manifest.training)
    return batch
