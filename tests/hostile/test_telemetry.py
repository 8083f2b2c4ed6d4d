"""Telemetry of engines: opening a bundle leaves no identifier and reaches nobody."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import structure
from conftest import MODELS, contents

from edgecnn_exporters.targets.npu.htp.toolchain import QNN
from edgecnn_exporters.targets.worker_process import run_worker
from edgecnn_runtime.bundle.write import write_bundle

OPENS = """
import socket, sys
import edgecnn_runtime as edge
from edgecnn_runtime.session import zero_feeds

def hear(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise AssertionError(f"{event} {arguments}")

sys.addaudithook(hear)
with edge.open(sys.argv[1]) as session:
    session.run(zero_feeds(session.manifest))
"""
FOLDERS = {
    "HOME": "home",
    "XDG_CACHE_HOME": "home/cache",
    "XDG_CONFIG_HOME": "home/config",
    "XDG_DATA_HOME": "home/data",
    "XDG_STATE_HOME": "home/state",
    "XDG_RUNTIME_DIR": "home/run",
    "TMPDIR": "home/tmp",
}


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "tflite"])
def test_an_engine_leaves_nothing_behind(engine: str, tmp_path: Path) -> None:
    """Not an environment of a CI system: there ONNX Runtime is silent by itself."""
    environment = {name: str(tmp_path / folder) for name, folder in FOLDERS.items()}
    for folder in environment.values():
        Path(folder).mkdir(parents=True, exist_ok=True)
    format, content = MODELS[engine]
    path = tmp_path / "x.edge"
    write_bundle(path, *contents(format, content().model, content().weights))
    before = set(tmp_path.rglob("*"))
    paths = os.pathsep.join(filter(None, sys.path))
    for command in (
        ["-c", OPENS],
        ["-m", "edgecnn_runtime", "cold"],
        ["-m", "edgecnn_runtime", "host"],
    ):
        arguments = [] if command[-1] == "host" else [str(path)]
        subprocess.run(
            [sys.executable, "-B", *command, *arguments],
            env=environment | {"PATH": os.defpath, "PYTHONPATH": paths},
            check=True,
            capture_output=True,
        )
    assert set(tmp_path.rglob("*")) == before


def test_onnx_runtime_is_imported_where_telemetry_is_forbidden() -> None:
    importing = []
    for name, path in structure.find_modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in getattr(node, "names", ())]
            module = getattr(node, "module", None)
            if isinstance(node, ast.Import | ast.ImportFrom) and "onnxruntime" in {*names, module}:
                importing.append(name)
    # The worker's process is started without, as below.
    worker = "edgecnn_exporters.targets.npu.htp.worker"
    assert importing == [worker, "edgecnn_runtime.engines.onnxruntime"]


def test_vendors_processes_are_started_without_telemetry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "python"
    program.write_text(
        '#!/bin/sh\necho "{\\"told\\": \\"$ORT_DISABLE_TELEMETRY\\"}" > "$2/result.json"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv(QNN.variable, str(program))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    run = partial(run_worker, "the worker", QNN, tmp_path / "worker.py", {}, tmp_path)
    assert run(tmp_path / "log") == {"told": "1"}
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    assert run(tmp_path / "log") == {"told": "0"}


def test_whoever_wants_telemetry_may_have_it() -> None:
    code = (
        "import os; from edgecnn_runtime.engines.onnxruntime import import_onnxruntime as load; "
        "load(); print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    for given, wanted in ({}, "1"), ({"ORT_DISABLE_TELEMETRY": "0", "CI": "1"}, "0"):
        inherited = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
        ran = subprocess.run(
            [sys.executable, "-c", code],
            env=inherited | given,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout.strip() == wanted
