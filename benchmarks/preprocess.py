"""Preprocessing against the same done by hand with Pillow and numpy, interleaved in one run.

The image is a photograph of 500×375 pixels, the recipe that of ImageNet: shorter side to 256,
middle 224×224, normalised, NCHW. Timed once from the decoded array and once from the JPEG file.
Not timed: imports, and the first call of each.

    python benchmarks/preprocess.py --rounds 200
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import click
import numpy as np
from PIL import Image

from edgecnn_runtime.image import load_image
from edgecnn_runtime.manifest import Preprocess
from edgecnn_runtime.preprocess import Float, preprocess
from edgecnn_runtime.resample import UInt8Image

ROOT = Path(__file__).resolve().parent.parent
PHOTOGRAPH = ROOT / "exporters/edgecnn_exporters/photographs/cat.jpg"
RESULTS = ROOT / "benchmarks/results/preprocess.jsonl"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SPEC = Preprocess("RGB", 256, "bilinear", (224, 224), 1 / 255, MEAN, STD)

Job = Callable[[], Float]


def by_hand(image: Image.Image) -> Float:
    """(1, 3, 224, 224), as it is commonly written."""
    resized = image.resize((341, 256), Image.Resampling.BILINEAR).crop((58, 16, 282, 240))
    levels = np.asarray(resized, np.float32)
    normalised = (levels / 255 - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1), np.float32)[None]


def jobs(photograph: UInt8Image, path: Path) -> dict[str, tuple[Job, Job]]:
    """Per source of the image: ours and the same by hand."""
    return {
        "array": (
            lambda: preprocess(load_image(photograph), SPEC),
            lambda: by_hand(Image.fromarray(photograph)),
        ),
        "jpeg": (
            lambda: preprocess(load_image(path), SPEC),
            lambda: by_hand(Image.open(path).convert("RGB")),
        ),
    }


def duration_us(job: Job) -> float:
    start = perf_counter_ns()
    job()
    return (perf_counter_ns() - start) / 1000


def measure(ours: Job, peer: Job, rounds: int) -> list[tuple[float, float]]:
    """(ours, by hand) in µs, one pair a round; who goes first alternates."""
    np.testing.assert_allclose(ours(), peer(), rtol=0, atol=1e-5)
    pairs = []
    for index in range(rounds):
        if index % 2:
            second, first = duration_us(peer), duration_us(ours)
            pairs.append((first, second))
        else:
            pairs.append((duration_us(ours), duration_us(peer)))
    return pairs


def record(source: str, pairs: list[tuple[float, float]]) -> dict[str, Any]:
    return {
        "benchmark": "preprocess",
        "source": source,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pillow": version("pillow"),
        "ours_us": [round(ours, 1) for ours, _ in pairs],
        "by_hand_us": [round(peer, 1) for _, peer in pairs],
    }


@click.command(help="Time preprocessing against Pillow and numpy by hand.")
@click.option("--rounds", default=200, show_default=True, type=click.IntRange(min=2))
def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cat.jpg"
        with Image.open(PHOTOGRAPH) as cat:
            cat.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
        RESULTS.parent.mkdir(exist_ok=True)
        for source, (ours, peer) in jobs(load_image(path), path).items():
            pairs = measure(ours, peer, rounds)
            with RESULTS.open("a") as results:
                results.write(json.dumps(record(source, pairs)) + "\n")
            ratios = statistics.quantiles((first / second for first, second in pairs), n=4)
            ours_us, peer_us = (statistics.median(times) for times in zip(*pairs, strict=True))
            print(
                f"{source:6} ours/by hand {ratios[1]:.2f} ({ratios[0]:.2f}–{ratios[2]:.2f} "
                f"middle half, n={rounds}): {ours_us:.0f} µs / {peer_us:.0f} µs"
            )
    print(f"samples appended to {RESULTS}", file=sys.stderr)


if __name__ == "__main__":
    main()
