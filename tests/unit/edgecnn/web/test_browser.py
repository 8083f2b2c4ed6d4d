"""Finding a browser, and one that dies, hangs or outlives its parent; played by shell scripts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgecnn.errors import BrowserDied, BrowserUnavailable
from edgecnn.web.browser import find_browser
from edgecnn.web.page import open_page

INSTALL = "apt-get install chromium, or set EDGECNN_BROWSER to the path of Chromium, Chrome or Edge"
VERSION = 'if [ "$1" = --version ]; then echo "Chromium 156.0.1"; exit; fi\n'


def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    path = tmp_path / "browser"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("EDGECNN_BROWSER", str(path))
    return path


@pytest.mark.parametrize(
    ("printed", "product", "version"),
    [
        ("Chromium 156.0.8078.108 built on Debian", "Chromium", "156.0.8078.108"),
        ("Google Chrome 150.0.1 ", "Chrome", "150.0.1"),
        ("Microsoft Edge 151.2.3", "Edge", "151.2.3"),
        ("Google Chrome for Testing 140.0.7", "Chrome", "140.0.7"),
        ("Brave Browser 148.1.93", "Brave", "148.1.93"),
    ],
)
def test_product_and_version_are_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, product: str, version: str
) -> None:
    browser(tmp_path, monkeypatch, f'echo "{printed}"')
    found = find_browser()
    assert (found.product, found.version) == (product, version)


def test_without_a_browser_the_message_says_how_to_install_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGECNN_BROWSER", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrowserUnavailable) as raised:
        find_browser()
    assert str(raised.value) == f"no browser is installed; {INSTALL}"


def test_a_path_that_is_no_browser_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECNN_BROWSER", str(tmp_path / "absent"))
    with pytest.raises(BrowserUnavailable, match="absent of EDGECNN_BROWSER cannot be run"):
        find_browser()
    browser(tmp_path, monkeypatch, 'echo "firefox 130"')
    with pytest.raises(BrowserUnavailable, match="prints 'firefox 130' for --version, expected"):
        find_browser()


def test_a_browser_that_dies_is_told_with_its_last_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser(tmp_path, monkeypatch, f"{VERSION}echo 'no display' >&2; kill -SEGV $$")
    with open_page(find_browser(), {}, "page.html") as page, pytest.raises(BrowserDied) as raised:
        page.ask({"do": "run"}, timeout_s=20)
    assert str(raised.value) == "Chromium died of SIGSEGV; its last line: no display"
    with pytest.raises(BrowserDied):  # whoever asks later is told as well
        page.ask({"do": "run"}, timeout_s=1)


def test_a_browser_that_opens_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser(tmp_path, monkeypatch, f"{VERSION}exec sleep 60")
    with open_page(find_browser(), {}, "page.html") as page, pytest.raises(BrowserDied) as raised:
        page.ask({"do": "run"}, timeout_s=0.2)
    assert str(raised.value) == "the page gave no answer in 0.2 s"


def test_it_ends_with_its_parent_however_that_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    browser(
        tmp_path,
        monkeypatch,
        f'{VERSION}for word; do case $word in --user-data-dir=*) profile="${{word#*=}}";; esac; '
        f'done\nsleep 60 & echo "$$ $! $profile" >{told}.new; mv {told}.new {told}; wait',
    )
    program = (
        "import time\nfrom edgecnn.web.browser import find_browser\n"
        "from edgecnn.web.page import open_page\n"
        "with open_page(find_browser(), {}, 'page.html'): time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])
    try:
        wait_until(told.exists)
        own, child, profile = told.read_text(encoding="utf-8").split()
        assert Path(profile).is_dir()
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until(lambda: not any(is_running(int(pid)) for pid in (own, child)))
    wait_until(lambda: not Path(profile).exists())


def wait_until(holds: object) -> None:
    end = time.monotonic() + 20
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    return state != "Z"
