"""Engine packages that are installed and do not load, such as one for another processor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ASK = """
import sys
from edgecnn_runtime.engines import engine_class
from edgecnn_runtime.errors import EngineUnavailable
try:
    engine_class(sys.argv[1]).version()
except EngineUnavailable as error:
    print(error.reason)
"""


@pytest.mark.parametrize("kind", ["ImportError", "OSError"])
@pytest.mark.parametrize(
    ("engine", "package"),
    [("onnxruntime", "onnxruntime"), ("openvino", "openvino"), ("tflite", "ai_edge_litert")],
)
def test_it_is_unavailable_in_its_own_words(
    tmp_path: Path, engine: str, package: str, kind: str
) -> None:
    # ctypes raises OSError where an extension module raises ImportError.
    (tmp_path / package).mkdir()
    broken = f"raise {kind}('lib.so: wrong ELF class')\n"
    (tmp_path / package / "__init__.py").write_text(broken)
    ran = subprocess.run(
        [sys.executable, "-c", ASK, engine],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("does not load")
    assert "(lib.so: wrong ELF class)" in ran.stdout
