"""stderr of an app that opens a model: without the lines that engines print unasked."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PRINTS = """
import os, sys
from edgecnn_runtime.engines.unasked_lines import {name}, keep_unasked_lines, without_line
os.write(2, b"before\\n")
{first}
with without_line({name}):
    os.write(2, b"its own\\n" + {line!r})
os.write(2, b"after\\n")
with without_line({name}):
    os.write(2, b"again\\n")
"""
LINES = {
    "DELEGATE": b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n",
    "DEVICE_DISCOVERY": b"2025-12-09 22:30:45.792 [W:onnxruntime:Default, "
    b"device_discovery.cc:164 DiscoverDevicesForPlatform] GPU device discovery failed: "
    b'device_discovery.cc:89 ReadFileContents Failed to open file: "/sys/class/drm/card0"\n',
}


def stderr_of(program: str) -> bytes:
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return ran.stderr


@pytest.mark.parametrize("name", LINES)
def test_the_line_alone_is_left_out(name: str) -> None:
    program = PRINTS.format(name=name, line=LINES[name], first="")
    assert stderr_of(program) == b"before\nits own\nafter\nagain\n"


@pytest.mark.parametrize("name", LINES)
def test_an_agent_keeps_it(name: str) -> None:
    program = PRINTS.format(name=name, line=LINES[name], first="keep_unasked_lines()")
    assert stderr_of(program) == b"before\nits own\n" + LINES[name] + b"after\nagain\n"


def test_a_closed_stderr_is_no_failure() -> None:
    program = (
        "import os\n"
        "from edgecnn_runtime.engines.unasked_lines import DELEGATE, without_line\n"
        "os.close(2)\n"
        "with without_line(DELEGATE):\n"
        "    print('opened')\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True)
    assert ran.stdout == b"opened\n"


def test_litert_opens_a_model_in_silence() -> None:
    pytest.importorskip("ai_edge_litert")
    program = (
        "from tflite_models import brightest\n"
        "from edgecnn_runtime.engines.tflite import TFLiteEngine\n"
        "TFLiteEngine.open(brightest((1, 4, 4, 3), (1, 2), 1.0, 0.0)).close()\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, env=environment
    )
    assert ran.stderr == b""
