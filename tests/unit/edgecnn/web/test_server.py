"""The loopback server of a page: who may ask it for what."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import NamedTuple

import pytest

from edgecnn.web.server import PageServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PageServer]:
    (tmp_path / "page.html").write_text("<p>hello</p>", encoding="utf-8")
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    files = {"page.html": tmp_path / "page.html", "engine/one.wasm": b"\0asm"}
    with PageServer(files) as server:
        yield server


class Answer(NamedTuple):
    status: int
    headers: Message
    body: bytes


def ask(server: PageServer, path: str, *, method: str = "GET", host: str | None = None) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or f"127.0.0.1:{server.port}")
    connection.endheaders()
    with contextlib.closing(connection), connection.getresponse() as response:
        return Answer(response.status, response.headers, response.read())


def path_of(server: PageServer, name: str) -> str:
    return server.url(name).partition(str(server.port))[2]


def test_a_file_comes_with_its_type_and_isolated_from_other_origins(server: PageServer) -> None:
    response = ask(server, path_of(server, "page.html"))
    assert response.status == 200
    assert response.body == b"<p>hello</p>"
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    wasm = ask(server, path_of(server, "engine/one.wasm"))
    assert (wasm.headers["Content-Type"], wasm.body) == ("application/wasm", b"\0asm")


@pytest.mark.parametrize("host", ["evil.example", "localhost", "evil.example:{port}", "127.0.0.1"])
def test_another_host_is_refused(server: PageServer, host: str) -> None:
    response = ask(server, path_of(server, "page.html"), host=host.format(port=server.port))
    assert response.status == 403


@pytest.mark.parametrize("path", ["/", "/page.html", "/wrong/page.html", "//page.html", "/%2e%2e"])
def test_a_path_without_the_token_is_refused(server: PageServer, path: str) -> None:
    assert ask(server, path).status == 403
    assert ask(server, path, method="POST").status in (403, 404)


@pytest.mark.parametrize(
    "name", ["secret", "../secret", "engine/../secret", "%2e%2e/secret", "", "/etc/passwd"]
)
def test_nothing_is_served_but_what_it_was_given(server: PageServer, name: str) -> None:
    response = ask(server, path_of(server, name))
    assert response.status == 404
    assert b"secret" not in response.body


def test_it_listens_on_loopback_alone(server: PageServer) -> None:
    assert server._server.server_address[0] == "127.0.0.1"


def test_a_page_that_leaves_is_noticed() -> None:
    left = threading.Event()
    with PageServer({}, left=left.set) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", path_of(server, "alive"))
        response = connection.getresponse()
        assert response.read(1) == b"."
        assert not left.is_set()
        response.close()
        connection.close()
        assert left.wait(10)
