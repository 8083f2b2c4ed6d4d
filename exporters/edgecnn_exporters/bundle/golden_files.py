"""Golden examples of a bundle: real inputs and the original network's outputs, as .npy files."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn_exporters.bundle.examples import Example
from edgecnn_exporters.bundle.requests import GOLDEN_IMAGES, Request
from edgecnn_exporters.bundle.write import npy
from edgecnn_exporters.capture.examples import NAMES, photograph
from edgecnn_exporters.capture.reference import Reference
from edgecnn_runtime.arrays import Array, Float32
from edgecnn_runtime.manifest import FileRecord, Golden, OutsideGolden


def golden_examples(
    reference: Reference, request: Request
) -> list[tuple[Float32, dict[str, Array]]]:
    """Three examples (input, outputs by name), each of batch 1 where the batch is dynamic."""
    if request.input.shape[0] is not None:
        return list(reference.batches)
    feed, outputs = reference.batches[-1]
    return [
        (feed[i : i + 1], {name: array[i : i + 1] for name, array in outputs.items()})
        for i in range(GOLDEN_IMAGES)
    ]


def golden_files(
    reference: Reference, request: Request, input_name: str
) -> tuple[tuple[Golden, ...], dict[str, bytes]]:
    """The manifest's entries, and the files that they name.

    Each example has the photograph that its input was made from, where there is one.
    """
    entries, files = [], {}
    for index, (feed, outputs) in enumerate(golden_examples(reference, request)):
        stem = f"golden/{index}"
        files[f"{stem}.input.npy"] = npy(feed)
        paths = {name: f"{stem}.output{i}.npy" for i, name in enumerate(outputs)}
        files |= {path: npy(outputs[name]) for name, path in paths.items()}
        image = None
        if request.preprocess is not None and len(feed) == 1:
            image = f"{stem}.image.npy"
            files[image] = npy(photograph(NAMES[index]))
        entries.append(Golden({input_name: f"{stem}.input.npy"}, paths, image))
    return tuple(entries), files


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
