from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from e2e.fork_server import ForkServer
from unit.edgecnn.devices.wheels.own_index import Index


class ForkedPip:
    """`subprocess.run` for pip alone: forks of a process that has imported it, 0.4 s less each."""

    TimeoutExpired = subprocess.TimeoutExpired
    DEVNULL = subprocess.DEVNULL

    def __init__(self, folder: Path) -> None:
        self._server = ForkServer("pip")
        self._folder = folder
        self._turn = threading.Lock()

    def run(self, command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        python, *arguments = command
        assert arguments[:2] == ["-m", "pip"]
        with self._turn:
            return self._server.run(python, arguments[2:], self._folder, os.environ)

    def close(self) -> None:
        self._server.close()


@pytest.fixture(scope="session")
def forked_pip(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedPip]:
    pip = ForkedPip(tmp_path_factory.mktemp("pip"))
    yield pip
    pip.close()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forked_pip: ForkedPip) -> Index:
    monkeypatch.setattr("edgecnn.devices.wheels.index.subprocess", forked_pip)
    # As an edgecnn that was installed from a wheel: edgecnn-native is the index's.
    monkeypatch.setattr("edgecnn.devices.native_sources.CLONE", tmp_path)
    return Index(tmp_path / "index", monkeypatch)
