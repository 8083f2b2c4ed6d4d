"""Classes of images that are files or arrays, as `edgecnn.Bundle.run` returns them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import edgecnn_runtime
from edgecnn.results.run import ClassifiedImage, RunOptions, RunResult, classify_images
from edgecnn_runtime.errors import ImageError

if TYPE_CHECKING:
    from edgecnn.api.arguments import PathText
    from edgecnn_runtime.arrays import UInt8


def run_images(
    bundle: str, images: PathText | UInt8 | Sequence[PathText | UInt8], options: RunOptions
) -> RunResult:
    """The likeliest classes of one image or several.

    Raises:
        EdgeCNNError: the bundle cannot be trusted, or nothing in it can run here.
    """
    each: list[Any] = list(images) if isinstance(images, list | tuple) else [images]
    if all(isinstance(image, str | os.PathLike) for image in each):
        return classify_images(bundle, [str(Path(image)) for image in each], options)
    return _run_arrays(bundle, each, options)


def _run_arrays(bundle: str, images: Sequence[Any], options: RunOptions) -> RunResult:
    """In this process: arrays are not sent to another."""
    classified, failures = [], []
    with edgecnn_runtime.open(
        bundle,
        engine=options.engine,
        precision=options.precision,
        threads=options.threads,
        budget=options.budget,
    ) as model:
        for number, image in enumerate(images):
            name = str(image) if isinstance(image, str | os.PathLike) else f"image {number}"
            try:
                classes = model.classify(image, options.top)
            except ImageError as error:
                failures.append(f"{name}: {error}")
            else:
                classified.append(ClassifiedImage(name, tuple(classes)))
        engine, precision = model.engine.name, model.artefact.precision
    return RunResult(bundle, engine, precision, tuple(classified), tuple(failures))
