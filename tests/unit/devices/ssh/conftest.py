"""A server on loopback, and a board that leads there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from board.sshd import Server, reason_for_none, serving

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


@pytest.fixture
def reach(server: Server) -> Iterator[Reach]:
    """A board called rpi at the server, closed after the test."""
    opened: list[SshBoard] = []

    def board(target: str | None = None, **options: str | int) -> SshBoard:
        port = int(options.pop("port", server.port))
        made = SshBoard("rpi", target or server.target, port=port, **options)  # type: ignore[arg-type]
        opened.append(made)
        return made

    yield board
    for one in opened:
        one.close()
