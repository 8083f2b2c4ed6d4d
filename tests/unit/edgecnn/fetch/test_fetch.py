"""Fetching: what lands in the cache, what never does, and what is said about it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.edgecnn.fetch.loopback import (
    CONTENT,
    SHA256,
    Server,
    catalogue,
    left_over,
    running,
    target,
)

from edgecnn import fetch as fetch_package
from edgecnn.errors import FetchedDigestMismatch, FetchError, UnknownAsset
from edgecnn.fetch import cached, fetch
from edgecnn.fetch.catalogue import Asset, File, Package, Url
from edgecnn_runtime.errors import EdgeCNNError

FETCH = """
import resource, sys
from edgecnn.errors import FetchError
from edgecnn.fetch import fetch
from edgecnn.fetch.catalogue import Asset, File, Url
url, size_bytes, sha256, quiet, room_bytes = sys.argv[1:]
if int(room_bytes):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(room_bytes),) * 2)
file = File("net.pth", int(size_bytes), sha256, (Url(url),))
try:
    fetch("net", quiet=quiet == "quiet", catalogue={"net": Asset("net", (file,), "", "")})
except FetchError as error:
    print(error)
"""


def command(url: str, *, quiet: bool = True, room_bytes: int = 0) -> list[str]:
    talk = "quiet" if quiet else "talk"
    return [sys.executable, "-c", FETCH, url, str(len(CONTENT)), SHA256, talk, str(room_bytes)]


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize(("path", "is_gzip"), [("/good", False), ("/gzip", True)])
def test_a_file_is_fetched_once(server: Server, cache: Path, path: str, is_gzip: bool) -> None:
    known = catalogue(Url(server.url(path), is_gzip))
    assert cached("net", catalogue=known) is None
    for _ in range(2):
        found = fetch("net", quiet=True, catalogue=known)
        assert found.read_bytes() == CONTENT
    assert found == target(cache) == cached("net", catalogue=known)
    assert len(server.ranges) == 1
    assert left_over(cache) == {"net.pth"}


def test_a_data_set_of_several_files_is_a_folder(server: Server, cache: Path) -> None:
    source = (Url(server.url("/good")),)
    files = tuple(File(name, len(CONTENT), SHA256, source) for name in ("first", "second"))
    known = {"pair": Asset("pair", files, "CC0", "a test")}
    folder = fetch("pair", quiet=True, catalogue=known)
    assert folder.parent == cache
    assert re.fullmatch("pair-[0-9a-f]{8}", folder.name)
    assert [(folder / name).read_bytes() for name in ("first", "second")] == [CONTENT, CONTENT]
    (folder / "second").unlink()
    assert cached("pair", catalogue=known) is None


def test_a_file_that_was_changed_in_the_cache_is_fetched_again(server: Server) -> None:
    known = catalogue(Url(server.url("/good")))
    path = fetch("net", quiet=True, catalogue=known)
    path.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    assert cached("net", catalogue=known) is None
    assert fetch("net", quiet=True, catalogue=known).read_bytes() == CONTENT


def test_the_wrong_bytes_are_an_error_that_keeps_nothing(server: Server, cache: Path) -> None:
    with pytest.raises(FetchedDigestMismatch) as raised:
        fetch("net", quiet=True, catalogue=catalogue(Url(server.url("/wrong"))))
    sent = re.search(r"net\.pth .* sent sha256 ([0-9a-f]{64}), expected", str(raised.value))
    assert sent
    assert sent[1] != SHA256
    assert f"expected {SHA256}, discarded" in str(raised.value)
    assert left_over(cache) == set()


def test_after_a_source_that_fails_or_lies_the_next_is_tried(server: Server) -> None:
    sources = ("/missing", "/wrong", "/good")
    known = catalogue(*(Url(server.url(path)) for path in sources))
    assert fetch("net", quiet=True, catalogue=known).read_bytes() == CONTENT
    assert len(server.ranges) == 3


def test_offline_it_says_which_file_to_place_where(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    nobody = Url("http://127.0.0.1:9/net.pth")
    with pytest.raises(FetchError) as raised:
        fetch("net", quiet=True, catalogue=catalogue(nobody, Package("npm", "net@1.0.0", "x")))
    message = str(raised.value)
    assert "\n" not in message
    assert re.search(r"http://127\.0\.0\.1:9/net\.pth: \[Errno \d+\] Connection refused", message)
    assert "npm package net@1.0.0: npm is not installed" in message
    place = target(cache)
    assert f"place the file ({len(CONTENT)} bytes, sha256 {SHA256}) at {place}" in message
    place.write_bytes(CONTENT)
    assert fetch("net", quiet=True, catalogue=catalogue(nobody)) == place


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownAsset, match="did you mean fashion-mnist"):
        fetch("fashion_mnist")
    assert issubclass(UnknownAsset, FetchError)
    assert issubclass(FetchError, EdgeCNNError)


@pytest.mark.parametrize("place", ["/proc/edgecnn", "a-file/cache", "too-long" * 40])
def test_a_cache_that_cannot_be_written_is_named(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / place))
    with pytest.raises(FetchError, match=r"cannot keep net in .*: .*; set EDGECNN_CACHE to"):
        fetch("net", quiet=True, catalogue=catalogue())
    assert cached("net", catalogue=catalogue()) is None


def test_a_cache_named_from_here_is_named_from_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGECNN_CACHE", "here")
    assert fetch_package.cache_folder() == tmp_path / "here"


def test_a_disk_without_room_is_one_line(server: Server, cache: Path) -> None:
    full = command(server.url("/good"), room_bytes=100_000)
    ran = subprocess.run(full, capture_output=True, text=True, check=True)
    assert re.fullmatch(rf"cannot keep net in {cache}/net-\w+: File too large; .*\n", ran.stdout)
    assert ran.stderr == ""
    assert left_over(cache) == {"net.pth.part"}


def test_two_processes_at_once_fetch_it_once(server: Server, cache: Path) -> None:
    server.pause_s = 0.02
    both = [subprocess.Popen(command(server.url("/good"))) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert target(cache).read_bytes() == CONTENT
    assert len(server.ranges) == 1


def test_kill_9_leaves_a_part_that_the_next_fetch_goes_on_with(server: Server, cache: Path) -> None:
    server.pause_s = 0.1
    part = target(cache).with_name("net.pth.part")
    with subprocess.Popen(command(server.url("/good"))) as process:
        while not part.exists() or part.stat().st_size < 60_000:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert left_over(cache) == {"net.pth.part"}
    server.pause_s = 0
    known = catalogue(Url(server.url("/good")))
    assert fetch("net", quiet=True, catalogue=known).read_bytes() == CONTENT
    assert re.fullmatch(r"bytes=\d{5,6}-", server.ranges[1] or "")
    assert left_over(cache) == {"net.pth"}


@pytest.mark.parametrize("quiet", [False, True])
def test_progress_goes_to_a_terminal_unless_quiet(server: Server, quiet: bool) -> None:
    server.pause_s = 0.02
    reader, writer = os.openpty()
    try:
        environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
        ran = subprocess.run(
            command(server.url("/good"), quiet=quiet),
            stdout=subprocess.PIPE,
            stderr=writer,
            env=environment,
            check=True,
        )
        os.set_blocking(reader, False)
        try:
            seen = os.read(reader, 100_000)
        except BlockingIOError:
            seen = b""
    finally:
        os.close(reader)
        os.close(writer)
    assert ran.stdout == b""
    assert (b"fetch net.pth" in seen) is not quiet


def test_nothing_is_said_in_a_pipe(server: Server) -> None:
    ran = subprocess.run(
        command(server.url("/good"), quiet=False), capture_output=True, text=True, check=True
    )
    assert (ran.stdout, ran.stderr) == ("", "")


def test_the_catalogue_is_sound() -> None:
    known = fetch_package.catalogue()
    assert set(known) >= {"mobilenet_v2-imagenet", "mnist", "fashion-mnist", "cifar10"}
    for name, asset in known.items():
        assert asset.name == name
        assert asset.licence
        assert asset.origin
        names = [file.name for file in asset.files]
        assert len(set(names)) == len(names)
        for file in asset.files:
            assert re.fullmatch("[0-9a-f]{64}", file.sha256)
            assert file.size_bytes > 0
            assert file.sources


def test_torchvisions_name_for_the_weights_is_their_digest() -> None:
    (file,) = fetch_package.catalogue()["mobilenet_v2-imagenet"].files
    assert file.name == f"mobilenet_v2-{file.sha256[:8]}.pth"
