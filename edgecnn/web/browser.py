"""A browser on this machine: where it is, its version, and a running one without a window."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from edgecnn.errors import BrowserUnavailable
from edgecnn.web import keeper
from edgecnn_runtime.host.process import signal_name

VARIABLE = "EDGECNN_BROWSER"
# Chromium and what is built from it: they take the same options.
NAMES = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    *("microsoft-edge", "brave-browser"),
)
INSTALL = f"apt-get install chromium, or set {VARIABLE} to the path of Chromium, Chrome or Edge"
VERSION_TIMEOUT_S = 20
_VERSION = re.compile(r"(?:Google |Microsoft )?(Chromium|Chrome|Edge|Brave)\D* (\d[\d.]*)")
CLOSE_TIMEOUT_S = 5.0

# No window, nothing from the network, nothing of a user's profile, and no timer that slows down in
# a page that nobody looks at.
FLAGS = (
    *("--headless", "--no-first-run", "--no-default-browser-check", "--no-proxy-server"),
    *("--disable-quic", "--disable-sync", "--disable-extensions", "--disable-default-apps"),
    *("--disable-background-networking", "--disable-component-update", "--disable-breakpad"),
    *("--disable-background-timer-throttling", "--disable-renderer-backgrounding"),
    *("--disable-backgrounding-occluded-windows", "--disable-dev-shm-usage", "--mute-audio"),
    "--password-store=basic",
)
WITHOUT_GPU = ("--disable-gpu",)
WEBGPU = ("--enable-unsafe-webgpu", "--enable-features=Vulkan")
SOFTWARE_WEBGPU = (*WEBGPU, "--use-webgpu-adapter=swiftshader")


@dataclass(frozen=True)
class Browser:
    """A browser that is installed.

    Attributes:
        version: as it prints it, such as ``156.0.8078.108``.
        product: its name, such as ``Chromium``.
    """

    path: str
    product: str
    version: str

    @property
    def label(self) -> str:
        """Name and major version."""
        return f"{self.product} {self.version.partition('.')[0]}"


def find_browser() -> Browser:
    """The browser of $EDGECNN_BROWSER, or the first of `NAMES` that is installed.

    Raises:
        BrowserUnavailable: there is none, or it does not run; says how to install one.
    """
    chosen = os.environ.get(VARIABLE)
    path = chosen or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        raise BrowserUnavailable(f"no browser is installed; {INSTALL}")
    return _examined(path, f"the browser {path}" + (f" of {VARIABLE}" if chosen else ""))


def _examined(path: str, words: str) -> Browser:
    try:
        ran = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=VERSION_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BrowserUnavailable(
            f"{words} does not print its version in {VERSION_TIMEOUT_S} s; {INSTALL}"
        ) from error
    except OSError as error:
        raise BrowserUnavailable(f"{words} cannot be run: {error.strerror}; {INSTALL}") from error
    found = _VERSION.match(ran.stdout.strip())
    if found is None or ran.returncode:
        line = (ran.stdout.strip() or ran.stderr.strip()).partition("\n")[0][:80]
        raise BrowserUnavailable(
            f"{words} prints {line!r} for --version, expected that of Chromium, Chrome or Edge; "
            f"{INSTALL}"
        )
    return Browser(path, found[1], found[2])


def has_gpu() -> bool:
    """Whether this machine has a GPU that a browser may use."""
    return any(Path("/dev/dri").glob("renderD*")) or Path("/dev/nvidia0").exists()


class RunningBrowser:
    """A browser that has one page open, with an empty profile of its own.

    It ends with this process, however this process ends.
    """

    def __init__(
        self, browser: Browser, url: str, flags: tuple[str, ...], on_end: Callable[[str], None]
    ) -> None:
        """Start it.

        Args:
            on_end: called in another thread when it ends before `close`, with the reason.
        """
        profile = tempfile.mkdtemp(prefix="edgecnn-browser-")
        sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()  # Chromium refuses it to root
        command = [browser.path, *FLAGS, *sandbox, *flags, f"--user-data-dir={profile}", url]
        self._product = browser.product
        self._on_end = on_end
        self._is_closing = False
        # Not in this process's group: what kills that one must not kill the keeper.
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(keeper.__file__)), profile, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    @property
    def process_id(self) -> int:
        """Of the process whose descendants are the browser's processes."""
        return self._keeper.pid

    def close(self) -> None:
        """End it and all its processes. Closing twice is allowed."""
        self._is_closing = True
        if self._keeper.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._keeper.stdin.close()
        self._watcher.join(CLOSE_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _watch(self) -> None:
        assert self._keeper.stdout is not None
        with self._keeper.stdout as stream:
            lines = stream.read().splitlines()
        self._keeper.wait()
        if not self._is_closing:
            self._on_end(self._end_in_words(lines[-1] if lines else ""))

    def _end_in_words(self, report: str) -> str:
        try:
            ended = json.loads(report)
            code, lines = ended["exit_code"], ended["lines"]
        except (ValueError, TypeError, KeyError):
            return f"{self._product} ended, and its keeper with it"
        if code is None:
            return f"{self._product} cannot be started: {lines[-1]}"
        how = f"died of {signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        return f"{self._product} {how}" + (f"; its last line: {lines[-1]}" if lines else "")
