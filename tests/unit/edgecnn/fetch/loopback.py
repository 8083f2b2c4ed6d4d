"""HTTP server on 127.0.0.1 that delivers files with the faults that a test asks for."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from edgecnn.fetch.catalogue import Asset, DownloadSource, File

CONTENT = os.urandom(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {"/good": CONTENT, "/gzip": gzip.compress(CONTENT), "/wrong": CONTENT[::-1]}
        self.validators: dict[str, str] = {}
        self.cut_after: int | None = None
        self.pause_s = 0.0
        self.knows_ranges = True
        self.knows_if_range = True
        self.sends_another_range = False
        self.ranges: list[str | None] = []
        self.if_ranges: list[str | None] = []
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
        server.ranges.append(self.headers.get("Range"))
        server.if_ranges.append(self.headers.get("If-Range"))
        if content is None:
            self.send_error(404)
            return
        start = self._start()
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            start += server.sends_another_range
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        for name, value in server.validators.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self._send(content[start:])

    def _start(self) -> int:
        server = self.server
        wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
        if not wanted or not server.knows_ranges:
            return 0
        if condition and server.knows_if_range and condition not in server.validators.values():
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def _send(self, body: bytes) -> None:
        server = self.server
        if server.cut_after is not None:
            body, server.cut_after = body[: server.cut_after], None
        for at in range(0, len(body), 20_000):
            # Counted first: a client that has it all may look before this thread runs again.
            server.sent += len(body[at : at + 20_000])
            try:
                self.wfile.write(body[at : at + 20_000])
            except OSError:
                return
            time.sleep(server.pause_s)
        self.close_connection = True


@contextlib.contextmanager
def running() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def catalogue(*sources: DownloadSource) -> dict[str, Asset]:
    """One asset, net, of one file: net.pth, which holds CONTENT."""
    file = File("net.pth", len(CONTENT), SHA256, sources)
    return {"net": Asset("net", (file,), "CC0", "a test")}


def target(cache: Path) -> Path:
    """Where net.pth lies once it is fetched."""
    return cache / f"net-{SHA256[:8]}" / "net.pth"


def left_over(cache: Path) -> set[str]:
    """Files in the folder of net, except the lock."""
    return {path.name for path in target(cache).parent.iterdir()} - {".lock"}
