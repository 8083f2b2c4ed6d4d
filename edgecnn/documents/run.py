"""JSON document of ``edgecnn run``."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn_runtime.tasks import Classification


@dataclass(frozen=True)
class ClassifiedImage:
    """An image and its likeliest classes.

    Attributes:
        image: path as it was given.
        classes: the likeliest first.
    """

    image: str
    classes: tuple[Classification, ...]


@dataclass(frozen=True)
class RunDocument:
    """Classes of images.

    Attributes:
        bundle: path as it was given.
        engine: that ran.
        precision: of the artefact that ran.
        images: those that could be read, in the order of the command line.
        failures: a line for each image that could not be classified.
    """

    bundle: str
    engine: str
    precision: str
    images: tuple[ClassifiedImage, ...]
    failures: tuple[str, ...]
