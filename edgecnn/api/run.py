"""Classes of images that are files or arrays, as `edgecnn.Bundle.run` returns them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import edgecnn_runtime
from edgecnn.errors import ArgumentInvalid
from edgecnn.results.run import ClassifiedImage, RunOptions, RunResult, classify_images
from edgecnn_runtime.errors import ImageError
from edgecnn_runtime.image.batch import split_batch
from edgecnn_runtime.image.load import load_image

if TYPE_CHECKING:
    from edgecnn_runtime.image.batch import ImageBatch
    from edgecnn_runtime.image.load import ImageSource


def run_images(bundle: str, images: ImageSource | ImageBatch, options: RunOptions) -> RunResult:
    """The likeliest classes of one image or several.

    Raises:
        ArgumentInvalid: no image, or what is none.
        EdgeCNNError: the bundle cannot be trusted, or nothing in it can run here.
    """
    each = _each(images)
    if all(isinstance(image, str | os.PathLike) for image in each):
        return classify_images(bundle, [str(Path(image)) for image in each], options)
    return _run_arrays(bundle, each, options)


def _each(images: Any) -> list[Any]:
    """The images of a batch, of a list of images or batches, or the one image.

    Raises:
        ArgumentInvalid: there is none, or one is of a type that no image has.
    """
    try:
        batch = split_batch(images)
        each = [one for source in batch.sources for one in split_batch(source).sources]
    except ImageError as error:
        raise ArgumentInvalid(f"images: {error}") from error
    for number, image in enumerate(each):
        is_file = isinstance(image, str | bytes | os.PathLike)
        if not (is_file or hasattr(image, "__array__") or hasattr(image, "getbands")):
            _refuse(image, f"image {number}" if batch.is_batch else "images")
    return each


def _refuse(image: Any, name: str) -> NoReturn:
    try:
        load_image(image)
    except ImageError as error:
        raise ArgumentInvalid(f"{name}: {error}") from error
    raise ArgumentInvalid(f"{name} is a {type(image).__name__}, expected an image or a path")


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
        used = (model.engine.name, model.precision)
        why = (model.artefact.path, model.reason)
    return RunResult(bundle, *used, tuple(classified), tuple(failures), *why)
