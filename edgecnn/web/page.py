"""A page in a browser that fulfils requests, one at a time."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Iterator, Mapping
from typing import Any

from edgecnn.errors import BrowserDied, PageFailed
from edgecnn.web.browser import WITHOUT_GPU, Browser, RunningBrowser
from edgecnn.web.messages import decode_message, encode_message
from edgecnn.web.server import Content, PageServer
from edgecnn_runtime.arrays import Array

# A page asks again after so long without a request.
POLL_S = 20.0
# A browser's own report of its death comes a little later than the end of the page's connection.
DEATH_S = 1.0


class Page:
    """The conversation with one page. Made by `open_page`."""

    def __init__(self) -> None:
        self.process_id = 0
        self._requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._replies: queue.SimpleQueue[bytes | BrowserDied] = queue.SimpleQueue()

    def ask(
        self,
        request: Mapping[str, Any],
        arrays: Mapping[str, Array] | None = None,
        *,
        timeout_s: float | None = None,
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        """The page's reply.

        Args:
            timeout_s: seconds to wait; None waits until the browser ends.

        Raises:
            PageFailed: the page answers with an error, in its own words.
            BrowserDied: the browser or the page ended, or gives no answer in `timeout_s`.
        """
        self._requests.put(encode_message(request, arrays))
        try:
            reply = self._replies.get(timeout=timeout_s)
        except queue.Empty:
            raise BrowserDied(f"the page gave no answer in {timeout_s:g} s") from None
        if isinstance(reply, BrowserDied):
            self._replies.put(reply)  # for whoever asks next
            raise reply
        fields, outputs = decode_message(reply)
        if "error" in fields:
            raise PageFailed(" ".join(str(fields["error"]).split()))
        return fields, outputs

    def next_request(self) -> bytes | None:
        """The next request; None after a while without one."""
        try:
            return self._requests.get(timeout=POLL_S)
        except queue.Empty:
            return None

    def reply(self, body: bytes) -> None:
        """Take the page's reply."""
        self._replies.put(body)

    def end(self, reason: str) -> None:
        """Let whoever waits for an answer know that none will come."""
        self._replies.put(BrowserDied(reason))

    def leave(self) -> None:
        """The page is gone, and the browser perhaps with it."""
        time.sleep(DEATH_S)
        self.end("the page died in the browser (out of memory?)")


@contextlib.contextmanager
def open_page(
    browser: Browser,
    files: Mapping[str, Content],
    name: str,
    *,
    flags: tuple[str, ...] = WITHOUT_GPU,
    is_isolated: bool = True,
) -> Iterator[Page]:
    """Open a page in a browser of its own; leaving the context ends both.

    Args:
        files: what the page may load.
        name: of the page in `files`.
        is_isolated: whether the page is isolated from other origins, as threads need.
    """
    page = Page()
    with (
        PageServer(
            files,
            asked=page.next_request,
            replied=page.reply,
            left=page.leave,
            is_isolated=is_isolated,
        ) as server,
        RunningBrowser(browser, server.url(name), flags, page.end) as running,
    ):
        page.process_id = running.process_id
        yield page
