"""HTTP server of one page on loopback: its files, and a conversation with the page.

Only this machine reaches it, on a port that the system chooses. Every path begins with a random
token; nothing is served but the files that it was given, by name. The headers isolate the page from
all other origins, without which a browser gives it neither threads nor a precise clock.
"""

from __future__ import annotations

import http.server
import secrets
import select
import socketserver
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HOST = "127.0.0.1"
ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".jpg": "image/jpeg",
    ".svg": "image/svg+xml",
}
# A reply holds the outputs of one run.
MAX_REPLY_BYTES = 1 << 30

Content = Path | bytes
Asked = Callable[[], bytes | None]
Replied = Callable[[bytes], None]


class PageServer:
    """A server in threads of this process; ends with `close`."""

    def __init__(
        self,
        files: Mapping[str, Content],
        *,
        asked: Asked = lambda: None,
        replied: Replied = lambda body: None,
        left: Callable[[], None] = lambda: None,
        is_isolated: bool = True,
    ) -> None:
        """Start it.

        Args:
            files: path below the token → content.
            asked: gives the page its next request; None where there is none for now.
            replied: takes the page's reply.
            left: called when the page is gone.
            is_isolated: whether the page is isolated from other origins.
        """
        self._token = secrets.token_urlsafe(16)
        self._is_closed = threading.Event()
        server = _Server((HOST, 0), _Handler)
        server.owner = self
        self.files, self.asked, self.replied, self.left = dict(files), asked, replied, left
        self.headers = ISOLATION if is_isolated else {}
        self.port = int(server.server_address[1])
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    def url(self, name: str) -> str:
        """Address of a file."""
        return f"http://{HOST}:{self.port}/{self._token}/{name}"

    def name_of(self, path: str) -> str | None:
        """The file's name in a request's path; None where the path is not below the token."""
        token, _, name = path.partition("?")[0].removeprefix("/").partition("/")
        return name if secrets.compare_digest(token.encode(), self._token.encode()) else None

    @property
    def is_closed(self) -> bool:
        """Whether it has been closed."""
        return self._is_closed.is_set()

    def close(self) -> None:
        """Stop serving. Closing twice is allowed."""
        if not self.is_closed:
            self._is_closed.set()
            self._server.shutdown()
            self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: PageServer

    def server_bind(self) -> None:
        # Without HTTPServer's look-up of this machine's name, which may wait for a name server.
        socketserver.TCPServer.server_bind(self)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that ends leaves its connections as they are: that is no error of ours."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body are two writes, between which Nagle's algorithm would wait for 40 ms.
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        name = self._permitted_name()
        if name is None:
            return
        owner = self.server.owner
        if name == "next":
            request = owner.asked()
            self._send(200 if request is not None else 204, request or b"", "")
        elif name == "alive":
            self._stay()
        elif name in owner.files:
            content = owner.files[name]
            body = content if isinstance(content, bytes) else content.read_bytes()
            kind = TYPES.get(Path(name).suffix, "application/octet-stream")
            self._send(200, body, kind)
        else:
            self._refuse(404, "no such file")

    def do_POST(self) -> None:
        if self._permitted_name() != "reply":
            self._refuse(404, "no such file")
            return
        length = int(self.headers.get("Content-Length", "0"))
        if not 0 < length <= MAX_REPLY_BYTES:
            self._refuse(413, "too long")
            return
        self.server.owner.replied(self.rfile.read(length))
        self._send(204, b"", "")

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""

    def _permitted_name(self) -> str | None:
        """The requested file's name; None once a request from elsewhere has been refused.

        The Host that a page of another name would send is refused: a name server that answers
        127.0.0.1 for it would otherwise lead that page here.
        """
        owner = self.server.owner
        if self.headers.get("Host") != f"{HOST}:{owner.port}":
            self._refuse(403, "another host")
            return None
        name = owner.name_of(self.path)
        if name is None:
            self._refuse(403, "no token")
        return name

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self._send_common_headers()
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, reason: str) -> None:
        self.close_connection = True
        self._send(status, reason.encode(), "text/plain; charset=utf-8")

    def _send_common_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        for header, value in self.server.owner.headers.items():
            self.send_header(header, value)

    def _stay(self) -> None:
        """An answer without end: the page's connection closes when the page does."""
        self.send_response(200)
        self._send_common_headers()
        self.send_header("Content-Type", "application/octet-stream")
        self.end_headers()
        self.wfile.write(b".")
        self.wfile.flush()
        self.close_connection = True
        while not self.server.owner.is_closed:
            readable, _, _ = select.select([self.connection], [], [], 0.5)
            if readable and not self.connection.recv(1):
                self.server.owner.left()
                return
