"""Fixtures of the end-to-end tests: the command line in real processes on real files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2e.fork_server import ForkServer
from json_types import check_document
from shared import once

EDGECNN = str(Path(sys.executable).with_name("edgecnn"))
PHOTOGRAPHS = Path(__file__).parents[2] / "exporters/edgecnn_exporters/photographs"

# Of a command that ended by itself.
EXIT_CODES = range(7)

Run = Callable[..., subprocess.CompletedProcess[str]]

TINY = '''
import torch
from torch import nn

class Tiny(nn.Sequential):
    """A network small enough that exporting it takes no time."""
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU6(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2),
        )

def build():
    torch.manual_seed(0)
    return Tiny()

def broken():
    raise ValueError("no such layer")

def number():
    return 7
'''


# Without a pool, so that its answers change with its input.
RESPONSIVE = """
def responsive():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU6(), nn.Flatten(), nn.Linear(64, 2)
    )
"""

UNBALANCED = """
def unbalanced():
    torch.manual_seed(0)
    scale = (10 ** torch.linspace(0, -6, 8)).reshape(-1, 1, 1, 1)
    convs = [nn.Conv2d(*channels, 1, bias=False) for channels in ((3, 8), (8, 8), (8, 8))]
    with torch.no_grad():
        for conv in convs[:2]:
            conv.weight *= scale
        for conv in convs[1:]:
            conv.weight /= scale.reshape(1, -1, 1, 1)
    layers = [layer for conv in convs for layer in (conv, nn.ReLU())]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 64, 10, bias=False))
"""


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """A process that has imported what commands import, and forks one at a time."""
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture
def edgecnn(fork_server: ForkServer, tmp_path: Path) -> Run:
    """Run `edgecnn ARGUMENTS` in an empty folder, in a process of its own.

    Its stdout may go to another file, and its environment have more variables. What ``--json``
    prints is checked against its schema.
    """

    def run(
        *arguments: str | Path, stdout: str | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environment = os.environ | variables
        ran = fork_server.run(EDGECNN, [*map(str, arguments)], tmp_path, environment, stdout)
        if "--json" in arguments and stdout is None and ran.returncode in EXIT_CODES:
            check_json(ran.stdout)
        return ran

    return run


def check_json(text: str) -> None:
    """Check that stdout is one JSON document, with exactly the fields of its schema."""
    document = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    check_document(document, document["schema"])


@pytest.fixture
def fresh_edgecnn(tmp_path: Path) -> Run:
    """Run `edgecnn ARGUMENTS` in an empty folder, in an interpreter of its own.

    It has another order of sets than every other: for what must not depend on it.
    """

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [EDGECNN, *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def own(tmp_path: Path) -> None:
    """A network of one's own in the folder that `edgecnn` runs in."""
    (tmp_path / "own.py").write_text(TINY + RESPONSIVE + UNBALANCED)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> Path:
    """A network of a user's own, exported once."""

    def make(folder: Path) -> Path:
        (folder / "nets.py").write_text(TINY)
        command = ["export", "nets:build", "--input", "1x3x32x32", "--preprocess", "unit"]
        ran = fork_server.run(EDGECNN, [*command, "-o", "tiny.edge"], folder, os.environ)
        assert ran.returncode == 0, ran.stderr
        return folder / "tiny.edge"

    return once(tmp_path_factory, "tiny", make)


@pytest.fixture(scope="session")
def mobilenet_bundle(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> Path:
    """MobileNetV2 with its ImageNet weights, exported once."""

    def make(folder: Path) -> Path:
        command = ["export", "mobilenet_v2", "-o", "mobilenet_v2.edge"]
        ran = fork_server.run(EDGECNN, command, folder, os.environ)
        assert ran.returncode == 0, ran.stderr
        return folder / "mobilenet_v2.edge"

    return once(tmp_path_factory, "mobilenet", make)
