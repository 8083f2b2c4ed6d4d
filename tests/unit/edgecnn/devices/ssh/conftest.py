"""Fixtures: an sshd on loopback, and an ssh board that connects to it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from board.sshd import Server, reason_for_none, serving
from unit.edgecnn.devices.wheels.own_index import Index

from edgecnn.devices.ssh import SshBoard

Reach = Callable[..., SshBoard]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that a test starts, with the configuration that it is about."""
    if reason := reason_for_none():
        pytest.skip(reason)
    with serving(tmp_path / "server") as one:
        monkeypatch.setenv("EDGECNN_SSH", one.ssh)
        yield one


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels of engines that are found on this machine."""
    folder = tmp_path_factory.mktemp("engines") / "index"
    with pytest.MonkeyPatch.context() as context:
        Index(folder, context).add_leading_here()
    return folder


@pytest.fixture
def index(engines: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """All that pip knows of. Its answers and wheels are kept from test to test."""
    # As an edgecnn that was installed from a wheel: edgecnn-native is the index's.
    monkeypatch.setattr("edgecnn.devices.native_sources.CLONE", engines)
    return Index(engines, monkeypatch)


@pytest.fixture
def reach(server: Server) -> Iterator[Reach]:
    """A board called rpi at the server, closed after the test."""
    opened: list[SshBoard] = []

    def board(target: str | None = None, **options: str | int) -> SshBoard:
        port = int(options.pop("port", server.port))
        # NumPy is compiled for the Python that these tests run on.
        options.setdefault("python", str(Path(sys.executable).resolve()))
        made = SshBoard("rpi", target or server.target, port=port, **options)  # type: ignore[arg-type]
        opened.append(made)
        return made

    yield board
    for one in opened:
        one.close()
