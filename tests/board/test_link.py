"""The network that tests make worse does what it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from board.faults import ADDRESS, Link, linked, wait_until


class Listener:
    """A server that keeps all that it is told, and says it again."""

    def __init__(self) -> None:
        self.heard = b""
        self.has_lost_one = False
        self._server = socket.create_server((ADDRESS, 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with connection, contextlib.suppress(OSError):
                    while data := connection.recv(1 << 16):
                        self.heard += data
                        connection.sendall(data)
                self.has_lost_one = True

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    one = Listener()
    yield one
    one.close()


@pytest.fixture
def link(listener: Listener) -> Iterator[Link]:
    with linked(listener.port) as one:
        yield one


def all_of(client: socket.socket) -> bytes:
    found = b""
    with contextlib.suppress(ConnectionError):
        while data := client.recv(1 << 16):
            found += data
    return found


def test_both_directions_are_carried_and_counted(listener: Listener, link: Link) -> None:
    with socket.create_connection((ADDRESS, link.port)) as client:
        client.sendall(b"x" * 100_000)
        client.shutdown(socket.SHUT_WR)
        assert all_of(client) == b"x" * 100_000
    assert (link.sent_bytes, link.received_bytes) == (100_000, 100_000)


def test_it_breaks_at_the_byte_that_was_named_and_only_once(listener: Listener, link: Link) -> None:
    link.cut_after(50_001)
    with socket.create_connection((ADDRESS, link.port)) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(b"x" * 100_000)
        all_of(client)
    wait_until(lambda: listener.has_lost_one, 10, "the other end learns of it")
    assert len(listener.heard) == 50_001
    with socket.create_connection((ADDRESS, link.port)) as client:
        client.sendall(b"y" * 100_000)
        client.shutdown(socket.SHUT_WR)
        assert all_of(client) == b"y" * 100_000


def test_it_breaks_at_once_when_told_to(listener: Listener, link: Link) -> None:
    with socket.create_connection((ADDRESS, link.port)) as client:
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"
        link.cut()
        assert all_of(client) == b""
    wait_until(lambda: listener.has_lost_one, 10, "the other end learns of it")


def test_a_silent_link_tells_nobody(listener: Listener, link: Link) -> None:
    with socket.create_connection((ADDRESS, link.port)) as client:
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"
        link.fall_silent()
        client.sendall(b"are you there?")
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)
    assert not listener.has_lost_one
    assert listener.heard == b"hello"


def test_a_slow_link_takes_its_time_and_loses_nothing(listener: Listener, link: Link) -> None:
    link.delay_s, link.bytes_per_s = 0.05, 1_000_000.0
    begin = time.monotonic()
    with socket.create_connection((ADDRESS, link.port)) as client:
        client.sendall(b"x" * 200_000)
        client.shutdown(socket.SHUT_WR)
        assert all_of(client) == b"x" * 200_000
    # There and back: no machine is so busy that it takes less.
    assert time.monotonic() - begin > 0.05 + 0.2


def test_without_a_board_a_connection_ends() -> None:
    with socket.create_server((ADDRESS, 0)) as server:
        unused = server.getsockname()[1]
    with linked(unused) as link, socket.create_connection((ADDRESS, link.port)) as client:
        assert all_of(client) == b""
