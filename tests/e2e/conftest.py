"""Fixtures of the end-to-end tests: the command line in real processes on real files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EDGECNN = str(Path(sys.executable).with_name("edgecnn"))
PHOTOGRAPHS = Path(__file__).parents[2] / "exporters/edgecnn_exporters/photographs"

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


@pytest.fixture
def edgecnn(tmp_path: Path) -> Run:
    """Run `edgecnn ARGUMENTS` in an empty folder."""

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
    (tmp_path / "own.py").write_text(TINY + UNBALANCED)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of a user's own, exported once."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "nets.py").write_text(TINY)
    command = [EDGECNN, "export", "nets:build", "--input", "1x3x32x32", "--preprocess", "unit"]
    ran = subprocess.run(
        [*command, "-o", "tiny.edge"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return folder / "tiny.edge"


@pytest.fixture(scope="session")
def mobilenet_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MobileNetV2 with its ImageNet weights, exported once."""
    bundle = tmp_path_factory.mktemp("mobilenet") / "mobilenet_v2.edge"
    ran = subprocess.run(
        [EDGECNN, "export", "mobilenet_v2", "-o", str(bundle)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return bundle
