"""Serve this folder on this machine, with the headers that give the page threads.

Run it: python3 serve.py [PORT]. Standard library alone; any other web server does as well. Without
these headers the page runs on one thread.
"""

from __future__ import annotations

import http.server
import sys
from functools import partial
from pathlib import Path

PORT = 8000
MOST_PORT = 65535
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of the folder, with `HEADERS`."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()


def _port(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= MOST_PORT:
        return int(text)
    sys.exit(f"port {text[:80]!r} is no number from 0 to {MOST_PORT}: python3 serve.py [PORT]")


def main() -> None:
    """Serve until Ctrl-C."""
    port = _port(sys.argv[1]) if len(sys.argv) > 1 else PORT
    handler = partial(Handler, directory=str(Path(__file__).resolve().parent))
    try:
        listening = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        sys.exit(f"cannot listen on port {port}: {reason}; name another: python3 serve.py PORT")
    with listening as server:
        print(f"http://127.0.0.1:{server.server_address[1]}/  (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
