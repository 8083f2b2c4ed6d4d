"""Golden examples of a bundle: real inputs and the original network's outputs, as .npy files."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn_exporters.bundle.requests import Request
from edgecnn_exporters.capture.examples import NAMES, photograph
from edgecnn_exporters.capture.reference import Example
from edgecnn_runtime.arrays import UInt8
from edgecnn_runtime.bundle.write import npy
from edgecnn_runtime.manifest import FileRecord, Golden, OutsideGolden


def golden_files(
    examples: Sequence[Example], request: Request, input_name: str
) -> tuple[tuple[Golden, ...], dict[str, bytes]]:
    """The manifest's entries, and the files that they name.

    Each example has the image that its input was made from, where there is one.
    """
    entries, files = [], {}
    for index, (feed, outputs) in enumerate(examples):
        stem = f"golden/{index}"
        files[f"{stem}.input.npy"] = npy(feed)
        paths = {name: f"{stem}.output{i}.npy" for i, name in enumerate(outputs)}
        files |= {path: npy(outputs[name]) for name, path in paths.items()}
        image, pixels = None, _pixels(request, index) if len(feed) == 1 else None
        if pixels is not None:
            image = f"{stem}.image.npy"
            files[image] = npy(pixels)
        entries.append(Golden({input_name: f"{stem}.input.npy"}, paths, image))
    return tuple(entries), files


def _pixels(request: Request, index: int) -> UInt8 | None:
    """The image that a golden input was made from, (H, W, C)."""
    if request.golden is not None:
        return request.golden.images[index] if request.golden.images else None
    return None if request.preprocess is None else photograph(NAMES[index])


def outside_files(
    examples: Sequence[Example], input_name: str
) -> tuple[OutsideGolden | None, dict[str, bytes]]:
    """The manifest's entry of the file beside the bundle, without its record, and what is in it."""
    entries, files = [], {}
    for index, (feed, outputs) in enumerate(examples):
        path, paths = (
            f"{index}.input.npy",
            {n: f"{index}.output{i}.npy" for i, n in enumerate(outputs)},
        )
        files[path] = npy(feed)
        files |= {paths[name]: npy(array) for name, array in outputs.items()}
        entries.append(Golden({input_name: path}, paths))
    if not entries:
        return None, {}
    return OutsideGolden("", FileRecord(0, ""), tuple(entries)), files
