"""An engine of another distribution on the command line: verified, evaluated, measured, refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from e2e.conftest import Run
from PIL import Image
from plugin_engine import DISTRIBUTION, NAME, install

SHORT = ("--rounds", "8", "--cold-starts", "0", "--threads", "1")
LABEL = f"{NAME} 0.3"
ID = {"name": NAME, "version": "0.3", "package": DISTRIBUTION}


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plug-in, installed for every interpreter that the commands start."""
    monkeypatch.setenv("EDGECNN_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("EDGECNN_CACHE", str(tmp_path / "cache"))
    site = install(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=":")
    return site


@pytest.fixture
def without(tmp_path: Path) -> Path:
    """An interpreter that does not see the plug-in."""
    python = tmp_path / "without"
    python.write_text(f'#!/bin/sh\nunset PYTHONPATH\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return python


def rows_of(edgecnn: Run, *arguments: str | Path) -> list[dict[str, Any]]:
    ran = edgecnn("bench", *arguments, *SHORT, "--json")
    assert ran.returncode in {0, 5}, ran.stderr
    (device,) = json.loads(ran.stdout)["devices"]
    rows: list[dict[str, Any]] = device["rows"]
    return rows


def test_verify_runs_it(edgecnn: Run, bundle: Path) -> None:
    ran = edgecnn("verify", bundle, "--engine", NAME, "--json")
    assert ran.returncode == 0, ran.stderr
    row = json.loads(ran.stdout)["rows"][0]
    assert (row["engine"], row["engine_id"], row["verdict"]) == (LABEL, ID, "equal")


def test_evaluate_runs_it(edgecnn: Run, bundle: Path, tmp_path: Path) -> None:
    for channel, colour in enumerate(("red", "green", "blue")):
        pixels = np.zeros((8, 8, 3), np.uint8)
        pixels[..., channel] = 200
        (tmp_path / "pictures" / colour).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "pictures" / colour / "0.png")
    ran = edgecnn("evaluate", bundle, "--data", "pictures", "--engine", NAME, "--json")
    assert ran.returncode == 0, ran.stderr
    (row,) = json.loads(ran.stdout)["rows"]
    assert (row["engine"], row["top1"]["count"]) == (NAME, 3)


@pytest.mark.parametrize("word", [NAME, DISTRIBUTION])
def test_bench_measures_it_by_its_name_and_by_its_distribution(
    edgecnn: Run, bundle: Path, word: str
) -> None:
    (row,) = rows_of(edgecnn, bundle, "--engine", word)
    assert (row["engine"], row["engine_id"], row["golden"]) == (LABEL, ID, "equal")
    assert row["latency"]["median_ms"] > 0


def test_an_interpreter_device_that_has_it_measures_it(edgecnn: Run, bundle: Path) -> None:
    added = edgecnn("devices", "add", f"local-{NAME}", "--python", sys.executable, "--json")
    assert f"{DISTRIBUTION} 0.3" in json.loads(added.stdout)["said"]
    (row,) = rows_of(edgecnn, bundle, "--device", f"local-{NAME}", "--engine", NAME)
    assert (row["engine"], row["golden"]) == (LABEL, "equal")
    examined = edgecnn("doctor", "--device", f"local-{NAME}").stdout
    assert f"engine {DISTRIBUTION}" in examined


def test_an_interpreter_device_without_it_is_told_what_installs_it(
    edgecnn: Run, bundle: Path, without: Path
) -> None:
    edgecnn("devices", "add", "other", "--python", without, "--no-check")
    ran = edgecnn("bench", bundle, "--device", "other", "--engine", NAME)
    assert ran.returncode == 1
    said = " ".join(ran.stderr.split())
    assert f"{NAME} is not installed there: {without} -m pip install {DISTRIBUTION}" in said
    assert "Traceback" not in ran.stderr


def test_where_others_run_its_row_says_what_is_missing(
    edgecnn: Run, bundle: Path, without: Path, tmp_path: Path
) -> None:
    edgecnn("devices", "add", "other", "--python", without, "--no-check")
    asked = (bundle, "--device", "other", "--engine", f"fake,{NAME}", "-o", "kept.jsonl")
    measured, absent = rows_of(edgecnn, *asked)
    assert (measured["engine"], measured["golden"]) == ("fake 1", "equal")
    assert (absent["golden"], absent["verdict"], absent["latency"]) == ("refused", "REFUSED", None)
    assert absent["note"].endswith(f"-m pip install {DISTRIBUTION}")
    again = edgecnn("bench", *asked, *SHORT, "--resume")
    assert again.returncode == 0, again.stderr
    assert f"REFUSED: model.fake on {NAME}" in " ".join(again.stdout.split())


def test_one_that_does_not_load_is_named_with_its_package(
    edgecnn: Run, bundle: Path, site: Path
) -> None:
    (site / "edgecnn_plain.py").write_text("import a_library_of_its_own\n")
    ran = edgecnn("bench", bundle, "--engine", NAME)
    assert ran.returncode == 1
    said = " ".join(ran.stderr.split())
    assert f"engine '{NAME}' does not load (No module named 'a_library_of_its_own')" in said
    assert f"pip install {DISTRIBUTION}" in said
    assert rows_of(edgecnn, bundle, "--engine", "fake")[0]["golden"] == "equal"
