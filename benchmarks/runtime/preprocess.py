"""Preprocessing beside the same done by hand with Pillow and numpy.

A photograph of 500×375 pixels, by ImageNet's recipe: shorter side to 256, middle 224×224,
normalised, NCHW. Once from the decoded array and once from the JPEG file. Not timed: imports, and
the first call of each.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.interleave import interleave, report
from edgecnn.zoo import IMAGENET
from edgecnn_exporters.capture.examples import photograph
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.image.load import load_image
from edgecnn_runtime.image.preprocess import preprocess

PEER = "Pillow + numpy by hand"


def by_hand(image: Image.Image) -> Float32:
    """(1, 3, 224, 224), as it is commonly written."""
    resized = image.resize((341, 256), Image.Resampling.BILINEAR).crop((58, 16, 282, 240))
    levels = np.asarray(resized, np.float32)
    mean, std = np.array(IMAGENET.mean, np.float32), np.array(IMAGENET.std, np.float32)
    normalised = (levels / 255 - mean) / std
    return np.ascontiguousarray(normalised.transpose(2, 0, 1), np.float32)[None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cat.jpg"
        cat = Image.fromarray(photograph("cat")).resize((500, 375), Image.Resampling.BICUBIC)
        cat.save(path, quality=90)
        array = load_image(path)
        measure(
            "a decoded array",
            lambda: preprocess(load_image(array), IMAGENET),
            lambda: by_hand(Image.fromarray(array)),
            rounds,
        )
        measure(
            "a JPEG file",
            lambda: preprocess(load_image(path), IMAGENET),
            lambda: by_hand(Image.open(path).convert("RGB")),
            rounds,
        )


def measure(
    source: str, ours: Callable[[], Float32], peer: Callable[[], Float32], rounds: int
) -> None:
    np.testing.assert_allclose(ours(), peer(), rtol=0, atol=1e-5)
    candidates = {"edgecnn_runtime": ours, PEER: peer}
    samples = interleave({k: partial(milliseconds, job) for k, job in candidates.items()}, rounds)
    report("runtime/preprocess", f"preprocess {source}", samples, unit="ms", peer=PEER)


def milliseconds(job: Callable[[], Float32]) -> float:
    began = time.perf_counter_ns()
    job()
    return (time.perf_counter_ns() - began) / 1e6


if __name__ == "__main__":
    main()
