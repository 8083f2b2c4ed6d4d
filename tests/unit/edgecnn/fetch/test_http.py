"""Downloads that go on, begin anew, or fail, from a real server on loopback."""

from __future__ import annotations

import gzip
import json
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.edgecnn.fetch.loopback import CONTENT, Server, catalogue, left_over, running, target

from edgecnn.errors import FetchError, SourceFailed
from edgecnn.fetch import fetch
from edgecnn.fetch.catalogue import Url
from edgecnn.fetch.http import download, open_part

FIRST = 100_000
NEWER = os.urandom(len(CONTENT))


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "net.part"


def silent(there: int, total: int | None) -> None:
    pass


def get(server: Server, part: Path, path: str = "/good", most_bytes: int = 1_000_000) -> bool:
    return download(server.url(path), part, silent, most_bytes)


def cut_off(server: Server, part: Path) -> None:
    """Leaves a part of /good that ends after FIRST bytes."""
    server.cut_after = FIRST
    with pytest.raises(SourceFailed, match=f"cut off after {FIRST} of {len(CONTENT)} bytes"):
        get(server, part)


def content(part: Path) -> bytes:
    with open_part(part) as stream:
        return stream.read()


def test_a_download_that_was_cut_off_goes_on_where_it_stopped(server: Server, part: Path) -> None:
    cut_off(server, part)
    assert get(server, part)
    assert content(part) == CONTENT
    assert server.ranges == [None, f"bytes={FIRST}-"]
    assert server.sent == len(CONTENT)


def test_a_fetch_that_was_cut_off_goes_on_where_it_stopped(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path))
    known = catalogue(Url(server.url("/good")))
    server.cut_after = FIRST
    with pytest.raises(FetchError, match="cut off after"):
        fetch("net", quiet=True, catalogue=known)
    assert fetch("net", quiet=True, catalogue=known).read_bytes() == CONTENT
    assert server.sent == len(CONTENT)


def test_progress_counts_what_was_there_already(server: Server, part: Path) -> None:
    cut_off(server, part)
    told: list[tuple[int, int | None]] = []
    download(server.url("/good"), part, lambda *seen: told.append(seen), 1_000_000)
    assert told[0][0] > FIRST
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_a_server_without_ranges_sends_it_all_again(server: Server, part: Path) -> None:
    server.knows_ranges = False
    cut_off(server, part)
    assert not get(server, part)
    assert content(part) == CONTENT
    assert server.sent == FIRST + len(CONTENT)


def test_a_server_that_sends_another_range_is_asked_for_it_all(server: Server, part: Path) -> None:
    cut_off(server, part)
    server.sends_another_range = True
    assert not get(server, part)
    assert content(part) == CONTENT
    assert server.ranges == [None, f"bytes={FIRST}-", None]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"ETag": '"1"'}, {"ETag": '"2"'}),
        (
            {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"},
            {"Last-Modified": "Tue, 02 Jan 2024 00:00:00 GMT"},
        ),
    ],
)
@pytest.mark.parametrize("knows_if_range", [True, False])
def test_a_file_that_changed_meanwhile_begins_anew(
    server: Server, part: Path, before: dict[str, str], after: dict[str, str], knows_if_range: bool
) -> None:
    server.validators, server.knows_if_range = before, knows_if_range
    cut_off(server, part)
    server.validators, server.files["/good"] = after, NEWER
    assert not get(server, part)
    assert content(part) == NEWER
    assert server.if_ranges[1] in before.values()


def test_the_same_file_goes_on_by_its_etag(server: Server, part: Path) -> None:
    server.validators = {"ETag": '"1"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}
    cut_off(server, part)
    assert get(server, part)
    assert content(part) == CONTENT
    assert server.if_ranges == [None, '"1"']


def test_a_weak_etag_is_no_condition(server: Server, part: Path) -> None:
    server.validators = {"ETag": 'W/"1"'}
    cut_off(server, part)
    assert get(server, part)
    assert server.if_ranges == [None, None]


def test_halves_of_two_different_files_are_not_kept(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without validators only the digest tells; then it is fetched once more, whole."""
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path))
    known = catalogue(Url(server.url("/good")))
    server.files["/good"], server.cut_after = NEWER, FIRST
    with pytest.raises(FetchError):
        fetch("net", quiet=True, catalogue=known)
    server.files["/good"] = CONTENT
    assert fetch("net", quiet=True, catalogue=known).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={FIRST}-", None]
    assert left_over(tmp_path) == {"net.pth"}


def test_a_part_that_is_complete_is_not_fetched_again(server: Server, part: Path) -> None:
    get(server, part)
    assert get(server, part)
    assert content(part) == CONTENT
    assert server.sent == len(CONTENT)


def test_a_part_longer_than_the_file_begins_anew(server: Server, part: Path) -> None:
    get(server, part)
    server.files["/good"] = CONTENT[:1000]
    assert not get(server, part)
    assert content(part) == CONTENT[:1000]


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"\x80 no line of JSON",
        b"[]\n1234",
        json.dumps({"url": "http://elsewhere/good", "validator": None}).encode() + b"\n1234",
    ],
)
def test_a_part_of_something_else_begins_anew(server: Server, part: Path, begun: bytes) -> None:
    part.write_bytes(begun)
    assert not get(server, part)
    assert content(part) == CONTENT
    assert server.ranges == [None]


def test_a_missing_file_is_named_by_its_status(server: Server, part: Path) -> None:
    with pytest.raises(SourceFailed, match="HTTP 404 Not Found"):
        get(server, part, "/missing")
    assert not part.exists()


def test_a_server_that_sends_too_much_is_cut_off(server: Server, part: Path) -> None:
    with pytest.raises(SourceFailed, match="sent more than 200000 bytes, discarded"):
        get(server, part, most_bytes=200_000)
    assert not part.exists()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (CONTENT, "sent no gzip file"),
        (gzip.compress(CONTENT)[:-9], "sent no gzip file"),
        (gzip.compress(bytes(10_000_000)), "sent more than 300000 bytes"),
    ],
    # The bytes hold the time: workers would name the tests otherwise.
    ids=["no gzip", "cut off", "too large"],
)
def test_what_is_no_gzip_file_or_too_large_inside_is_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: bytes, reason: str
) -> None:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path))
    server.files["/gzip"] = sent
    with pytest.raises(FetchError, match=reason):
        fetch("net", quiet=True, catalogue=catalogue(Url(server.url("/gzip"), is_gzip=True)))
    assert left_over(tmp_path) == set()
    assert not target(tmp_path).exists()


def test_a_connection_that_is_reset_is_the_sources_fault(part: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset() -> None:
            connection, _ = listener.accept()
            # Lingering for 0 s, a socket is closed by a reset.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.recv(1000)
            connection.close()

        thread = threading.Thread(target=reset)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/net"
        with pytest.raises(SourceFailed, match="reset"):
            download(url, part, silent, 1000)
        thread.join()
