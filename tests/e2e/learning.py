"""A small network that learns, and folders of images that differ by colour."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from e2e.conftest import EDGECNN, TINY
from e2e.fork_server import ForkServer
from PIL import Image
from shared import once

COLOURS = ("red", "green", "blue")
# Without a bias whose gradient the normalisation behind it makes zero.
BOUNDED = TINY.replace("padding=1)", "padding=1, bias=False)")
# Two layers in a row that nothing bounds: a wild learning rate makes their weights overflow.
UNBOUNDED = BOUNDED.replace("nn.ReLU6(),", "nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU(),")


def colour_folders(folder: Path, names: Sequence[str], count: int, side: int = 32) -> Path:
    """A folder of `count` noisy images for each name, a colour for each place in `names`."""
    random = np.random.default_rng(0)
    for place, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            levels = random.integers(0, 120, (side, side, 3)).astype(np.uint8)
            levels[..., place % 3] += np.uint8(100)
            Image.fromarray(levels).save(folder / name / f"{index}.png")
    return folder


def export_learning(
    factory: pytest.TempPathFactory, server: ForkServer, network: str, *options: str
) -> Path:
    """A small network with a training graph, exported once.

    Args:
        network: code that builds it.
    """

    def make(folder: Path) -> Path:
        (folder / "nets.py").write_text(network)
        (folder / "labels.txt").write_text("red\ngreen\n")
        colour_folders(folder / "seen", COLOURS, 4)
        command = ["export", "nets:build", "--input", "1x3x32x32", "--preprocess", "unit"]
        command += ["--labels", "labels.txt", "--optimiser", "sgd", "--lr", "0.5", *options]
        ran = server.run(EDGECNN, [*command, "-o", "learns.edge"], folder, os.environ)
        assert ran.returncode == 0, ran.stderr
        return folder / "learns.edge"

    return once(factory, "-".join(["learning", *options[1:2]]), make)
