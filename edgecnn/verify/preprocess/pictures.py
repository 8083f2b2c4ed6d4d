"""The pictures that ways to prepare them are compared on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgecnn.data.named import NAMED
from edgecnn.errors import DataUnreadable
from edgecnn.export.calibration import SAMPLES, find_images
from edgecnn.verify.preprocess.resizers import UInt8
from edgecnn_exporters.capture.examples import NAMES, pictures

PHOTOGRAPHS = "photographs"
# Mirror images and crops of the photographs: more of them would be small pieces.
FEW = 8 * len(NAMES)


def find_pictures(data: str | None, limit: int, *, quiet: bool) -> Sequence[Path | UInt8]:
    """At most `limit` pictures, drawn alike from all that there are; the same ones every time.

    Args:
        data: mnist, fashion-mnist, cifar10, imagenet-samples, or a folder with images somewhere
            below it; None takes the photographs that come with edgecnn, mirrored and cropped.

    Raises:
        DataUnreadable: no such name or folder, or no images in it.
        FetchError: a named one is not there and cannot be fetched.
    """
    if data is None:
        return pictures(min(limit, FEW))
    if data not in NAMED and data != SAMPLES and not Path(data).is_dir():
        raise DataUnreadable(
            f"--data {data} is no folder and none of {', '.join((*NAMED, SAMPLES))}"
        )
    found = find_images(data, split="test", quiet=quiet)
    chosen = sorted(np.random.default_rng(0).permutation(len(found))[:limit].tolist())
    return [found[index] for index in chosen]
