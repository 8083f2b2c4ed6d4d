"""The server in a page's folder: one line where its port cannot be had."""

from __future__ import annotations

import socket
import sys

import pytest

from edgecnn.site import serve


@pytest.mark.parametrize("typed", ["abc", "-1", "70000", "²"])
def test_what_is_no_port_is_said_in_one_line(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["serve.py", typed])
    with pytest.raises(SystemExit, match=rf"^port '{typed}' is no number from 0 to 65535: python3"):
        serve.main()


def test_a_used_port_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr(sys, "argv", ["serve.py", str(port)])
        with pytest.raises(SystemExit, match=rf"^cannot listen on port {port}: address already in"):
            serve.main()
