"""Golden examples of a bundle: real inputs and the original network's outputs, as .npy files."""

from __future__ import annotations

from collections.abc import Sequence

from edgecnn_exporters.bundle.requests import GOLDEN_IMAGES, Request
from edgecnn_exporters.bundle.write import npy
from edgecnn_exporters.capture.examples import NAMES, photograph
from edgecnn_exporters.capture.reference import Example, Reference
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.manifest import FileRecord, Golden, OutsideGolden


def golden_feeds(feeds: Sequence[Float32], request: Request) -> list[Float32]:
    """Inputs of three golden examples: of batch 1, or of the fixed batch.

    Args:
        feeds: the request's.
    """
    if request.input.shape[0] is not None:
        return list(feeds)
    return [feeds[-1][i : i + 1].copy() for i in range(GOLDEN_IMAGES)]


def golden_examples(reference: Reference, request: Request) -> list[Example]:
    """Three examples (input, outputs by name), each answered by the original in one run."""
    return list(reference.golden)


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
