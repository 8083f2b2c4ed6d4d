"""Photographs that calibrate and photographs that judge; none does both."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from pathlib import Path

from edgecnn.data.class_folders import find_classes
from edgecnn.fetch import fetch
from edgecnn_exporters.capture.examples import example_images
from edgecnn_runtime.arrays import UInt8
from edgecnn_runtime.image.load import load_image

# As many different ones as edgecnn's four photographs give.
DIFFERENT = 32
# What is cut off at the top and at the left, in pixels.
MARGINS = ((0, 0), (0, 24), (24, 0), (24, 24), (48, 48))
# Of scikit-image's package, less the four that edgecnn has and what is no picture.
PICTURES = (
    *("brick.png", "camera.png", "clock_motion.png", "coins.png", "grass.png", "gravel.png"),
    *("hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "page.png"),
    *("retina.jpg", "text.png"),
)


@dataclass(frozen=True)
class Photograph:
    """An image, (H, W, 3), with its ImageNet class where it is known."""

    name: str
    image: UInt8
    label: int | None = None


def calibrating(data: Path | None, count: int) -> list[UInt8]:
    """Images that calibrate.

    Of a folder of class folders the files at even places, by name, of every class in turn, `count`
    at most; else crops and mirror images of edgecnn's four photographs, repeated up to `count`.
    """
    if data is None:
        different = example_images(min(count, DIFFERENT))
        return (different * -(-count // len(different)))[:count]
    turns = zip_longest(*(paths[::2] for paths in find_classes(data, least=1).train.values()))
    paths = (path for path in chain.from_iterable(turns) if path is not None)
    return [load_image(path) for path in islice(paths, count)]


def judging(data: Path | None) -> Iterator[Photograph]:
    """Photographs that judge.

    Of a folder of class folders the files at odd places; else five crops of each of the twenty
    labelled ImageNet photographs, and scikit-image's pictures where it is installed.
    """
    if data is not None:
        for name, paths in find_classes(data, least=1).train.items():
            for path in paths[1::2]:
                yield Photograph(f"{name}/{path.name}", load_image(path))
        return
    yield from labelled()
    package = importlib.util.find_spec("skimage")
    if package is not None and package.origin is not None:
        for name in PICTURES:
            path = Path(package.origin).parent / "data" / name
            if path.exists():
                yield Photograph(name, load_image(path))


def labelled() -> Iterator[Photograph]:
    """Five crops of each of the twenty labelled ImageNet photographs."""
    for path in sorted(fetch("imagenet-samples", quiet=True).glob("*.jpg")):
        image, label = load_image(path), int(path.stem.rpartition("_")[2])
        for top, left in MARGINS:
            yield Photograph(f"{path.name}+{top}+{left}", image[top:, left:], label)
