"""A bench in the real browser: answers are proven, then timed; death, and formats of others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser.real import real_browser, write_brightest
from shared import once

from edgecnn.devices.browser.engine import PageModel, engine_page
from edgecnn.devices.browser.processes import cpu_seconds, page_peak_bytes, page_processes
from edgecnn.errors import BrowserDied
from edgecnn.web.browser import has_gpu
from edgecnn.web.engines import WEB_ENGINES
from edgecnn.web.page import Page
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.errors import EngineError

pytestmark = pytest.mark.network
BROWSER = real_browser()
SHORT = ("--rounds", "8", "--cold-starts", "1", "--json")


@pytest.fixture(scope="session")
def brightest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once(
        tmp_path_factory, "pages", lambda folder: write_brightest(folder / "brightest.edge")
    )


def bench(bundle: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgecnn", "bench", str(bundle), *options],
        env=os.environ | variables,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_rows_of_the_browser_and_of_this_machine_are_in_one_table(brightest: Path) -> None:
    engines = ("tflite", "onnxruntime-web", "litert.js", "native-web")
    options = ("--device", "host,browser", "--engine", ",".join(engines), "--threads", "1")
    ran = bench(brightest, *options, *SHORT)
    assert ran.returncode == 0, ran.stderr
    (device,) = json.loads(ran.stdout)["devices"]
    rows = {row["engine"].split()[0]: row for row in device["rows"]}
    assert set(rows) == {*engines}
    for name in engines[1:]:
        row = rows[name]
        assert row["engine"].endswith(f"(wasm, {BROWSER.label})")
        assert row["golden"] == "equal"
        assert row["latency"]["median_ms"] > 0
        assert len(row["latency"]["blocks_ms"]) == 8
        assert row["threads"] == 1
        assert row["cold"]["median_ms"] > 5
        assert row["cold"]["peak_memory_bytes"] > 50e6


def test_a_browser_that_dies_is_a_crashed_row(brightest: Path, tmp_path: Path) -> None:
    dying = tmp_path / "chromium"
    version = f'if [ "$1" = --version ]; then echo "{BROWSER.product} {BROWSER.version}"; exit; fi'
    dying.write_text(f"#!/bin/sh\n{version}\nkill -SEGV $$\n", encoding="utf-8")
    dying.chmod(0o755)
    options = ("--device", "browser", "--engine", "litert.js", "--threads", "1", *SHORT)
    ran = bench(brightest, *options, EDGECNN_BROWSER=str(dying))
    assert ran.returncode == 3
    assert ran.stderr.splitlines()[-1] == (
        "edgecnn: browser: nothing of brightest.edge was measured: "
        f"{BROWSER.product} died of SIGSEGV"
    )


def test_without_a_browser_a_bench_says_how_to_install_one(brightest: Path) -> None:
    ran = bench(brightest, "--device", "browser", EDGECNN_BROWSER="/nowhere/chromium")
    assert ran.returncode == 1
    (line,) = ran.stderr.splitlines()
    assert line.startswith("edgecnn: browser: the browser /nowhere/chromium of EDGECNN_BROWSER")
    assert "apt-get install chromium" in line


@pytest.fixture
def page() -> Iterator[Page]:
    with engine_page(BROWSER, WEB_ENGINES["litert.js"]) as page:
        yield page


@pytest.fixture
def model(page: Page, brightest: Path) -> PageModel:
    with Bundle(brightest) as bundle:
        content = bundle.read_artefact(bundle.manifest.artefacts[1])
    return PageModel(page, WEB_ENGINES["litert.js"], content.model, 2)


def test_a_page_that_is_killed_is_told_to_whoever_waits(page: Page, model: PageModel) -> None:
    feeds = {"input": np.zeros((1, 3, 4, 4), np.float32)}
    assert model.run(feeds)["logits"].tolist() == [[1.0, 1.0, 1.0]]
    assert page_peak_bytes(page.process_id) > 50e6
    assert cpu_seconds(page.process_id) > 0
    for pid in page_processes(page.process_id):
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(BrowserDied, match="the page died in the browser"):
        model.run(feeds)


def test_a_page_that_hangs_is_given_up(page: Page, model: PageModel) -> None:
    for pid in page_processes(page.process_id):
        os.kill(pid, signal.SIGSTOP)
    with pytest.raises(BrowserDied, match=r"no answer in 0\.5 s"):
        page.ask({"do": "block", "runs": 1}, timeout_s=0.5)


@pytest.mark.parametrize(("name", "index"), [("onnxruntime-webgpu", 0), ("litert.js-webgpu", 1)])
def test_webgpu_in_software_is_proven_and_not_timed(brightest: Path, name: str, index: int) -> None:
    if has_gpu():
        pytest.skip("this machine has a GPU")
    engine = WEB_ENGINES[name]
    with Bundle(brightest) as bundle:
        artefact = bundle.manifest.artefacts[index]
    budget = Budget().options()
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "edgecnn.devices.browser", "work", str(brightest), *budget),
            *("--artefact", artefact.path, "--engine", engine.name),
        ],
        input='{"open": true}\n',
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    reply = json.loads(ran.stdout)
    assert reply["engine_id"]["version"].startswith(f"{engine.version} (webgpu, ")
    assert reply["difference"]["top1_agreement"] == 1.0
    assert reply["verdict"] == "refused"
    assert "its GPU is a program" in reply["note"]


def test_a_model_that_the_engine_refuses_is_refused_in_its_words(page: Page) -> None:
    with pytest.raises(EngineError, match=r"litert\.js failed: "):
        PageModel(page, WEB_ENGINES["litert.js"], b"no model at all" * 10, 1)
