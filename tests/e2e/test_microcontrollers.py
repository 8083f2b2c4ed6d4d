"""`edgecnn compile --for mcu`: an artefact in the bundle, a firmware folder, a board too small."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from e2e.conftest import Run
from unit.exporters.targets.mcu.support import needs_tflm

pytest.importorskip("edgecnn_native")

INT8 = ("--quantize", "int8", "--calibrate", "photographs", "--samples", "8", "--allow-weak")
EXPORT = ("export", "own:build", "--input", "1x3x32x32", "--preprocess", "unit", *INT8)


@needs_tflm
@pytest.mark.usefixtures("own")
def test_one_bundle_becomes_a_firmware_and_holds_a_proven_artefact(
    edgecnn: Run, tmp_path: Path
) -> None:
    assert edgecnn(*EXPORT, "-o", "tiny.edge", "-q").returncode == 0
    ran = edgecnn("compile", "tiny.edge", "--for", "mcu", "-o", "firmware")
    assert ran.returncode == 0, ran.stderr
    assert "fit mcu-stm32f446re" in " ".join(ran.stderr.split())
    names = {path.name for path in (tmp_path / "firmware").iterdir()}
    assert names == {"README.md", "golden.h", "main.cpp", "model.h", "network.h"}
    ran = edgecnn("compile", "tiny.edge", "--for", "mcu-native", "-o", "native")
    assert ran.returncode == 0, ran.stderr
    assert {"main.c", "network.c", "Makefile", "edgecnn", "board"} <= {
        path.name for path in (tmp_path / "native").iterdir()
    }
    ran = edgecnn("compile", "tiny.edge", "--for", "mcu,nucleo-f446re,mcu-native", "-q")
    assert ran.returncode == 0, ran.stderr
    held = set(zipfile.ZipFile(tmp_path / "tiny.edge").namelist())
    assert held >= {
        f"{folder}/{name}"
        for folder in ("mcu", "mcu/mcu-stm32f446re")
        for name in ("model.tflite", "report.json")
    } | {"mcu/mcu-native/model.plan"}
    ran = edgecnn("verify", "tiny.edge")
    assert ran.returncode == 0, ran.stdout
    rows = [line for line in ran.stdout.splitlines() if "exact" in line]
    assert [row.split()[:3] for row in rows] == [
        ["mcu/model.tflite", "equal", "exact"],
        ["mcu/mcu-stm32f446re/model.tflite", "equal", "exact"],
        ["mcu/mcu-native/model.plan", "equal", "exact"],
    ]
