"""tflite-runtime, the predecessor of LiteRT, in an environment of its own with NumPy 1."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import OFFSET, SCALE, contents
from tflite_models import brightest

from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.engines.tflite import TFLiteEngine
from edgecnn_runtime.errors import EngineError
from edgecnn_runtime.manifest import Artefact, ChannelGroup

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-tflite" / "bin" / "python"
CODES = {"input": (1 / 255, -128), "logits": (3 / 255, -128)}

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(),
    reason="there is no .venv-tflite; make test makes it where Python is 3.11 on Linux",
)


def run(*arguments: object, python: Path = PYTHON, path: str = "runtime") -> list[dict[str, Any]]:
    """What the device's agent says, in the environment of tflite-runtime."""
    ran = subprocess.run(
        [python, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def agent(*arguments: object) -> list[dict[str, Any]]:
    return run("-m", "edgecnn_runtime", *arguments)


@pytest.fixture
def forms(tmp_path: Path) -> Path:
    """A bundle of the brightest channel in each form that a TFLite artefact may have."""
    manifest, files = contents("tflite", brightest((None, 4, 4, 3), (1, 2), SCALE, OFFSET))
    first = replace(manifest.artefacts[0], layout="NHWC")
    files["one.tflite"] = brightest((1, 3, 4, 4), (2, 3), SCALE, OFFSET)
    files["int8.tflite"] = brightest(
        (1, 4, 4, 3), (1, 2), SCALE, OFFSET, encodings=list(CODES.values())
    )
    one = Artefact("one.tflite", "tflite", "fp32")
    int8 = replace(
        first, path="int8.tflite", precision="int8", sqnr_db={"logits": (40.0,)}, encodings=CODES
    )
    groups = {"logits": (ChannelGroup(None, ((0, 1),), 0.0, 1.0),)}
    manifest = replace(manifest, artefacts=(first, one, int8), groups=groups)
    write_bundle(tmp_path / "x.edge", manifest, files)
    return tmp_path / "x.edge"


def test_the_agent_finds_it_and_says_which_it_is() -> None:
    (host,) = agent("host")
    assert host["engines"]["tflite"] == "2.14.0 (tflite_runtime)"
    missing = host["missing"]["onnxruntime"]
    assert missing["reason"] == "not installed"
    assert "-m pip install " in missing["mend"]
    assert missing["mend"].endswith("[onnxruntime]'")


def test_it_answers_the_golden_inputs_as_the_original(forms: Path) -> None:
    rows = agent("verify", forms)
    assert [(row["subject"], row["engine"], row["verdict"]) for row in rows] == [
        (name, "tflite 2.14.0 (tflite_runtime)", "equal")
        for name in ("model.tflite", "one.tflite", "int8.tflite")
    ]


def test_it_holds_to_what_an_engine_promises(tmp_path: Path) -> None:
    """Batches, strides, answers that stay, closing, refusing: as in test_engines.py, in short."""
    (tmp_path / "model.tflite").write_bytes(brightest((None, 3, 4, 4), (2, 3), SCALE, OFFSET))
    found = run("-c", PROMISES, tmp_path / "model.tflite", SCALE, OFFSET)
    assert found == [
        {
            "batches": {"1": True, "2": True, "3": True, "7": True},
            "feed kept": True,
            "answer kept": True,
            "strided": True,
            "wrong feed": "input 'input' is float64, expected input float32 Nx3x4x4; "
            "pass x.astype('float32')",
            "closed": "the model is closed; open it again",
            "refused": [True, True, True, True],
        }
    ]


PROMISES = """
import json, sys
import numpy as np
from edgecnn_runtime.engines.tflite import TFLiteEngine
from edgecnn_runtime.errors import EngineError, FeedError

content, scale, offset = open(sys.argv[1], "rb").read(), *map(float, sys.argv[2:])
model = TFLiteEngine.open(content, threads=2)
draw = np.random.default_rng(0)

def right(feed):
    found = model.run({"input": feed})["logits"]
    return bool(np.allclose(found, feed.mean(axis=(2, 3)) * scale + offset, rtol=1e-5))

def says(kind, function):
    try:
        function()
    except kind as error:
        return str(error)

feed = draw.random((2, 3, 4, 4), np.float32)
kept = feed.copy()
result = {"batches": {n: right(draw.random((n, 3, 4, 4), np.float32)) for n in (1, 2, 3, 7)}}
first = model.run({"input": feed})["logits"]
before = first.copy()
model.run({"input": feed * 3})
result["feed kept"] = bool((feed == kept).all())
result["answer kept"] = bool((first == before).all())
result["strided"] = right(np.repeat(feed, 2, axis=3)[..., ::2])
result["wrong feed"] = says(FeedError, lambda: model.run({"input": feed.astype(float)}))
model.close()
result["closed"] = says(EngineError, lambda: model.run({"input": feed}))
result["refused"] = [
    (says(EngineError, lambda: TFLiteEngine.open(*bad)) or "").startswith("tflite refuses")
    for bad in ((b"",), (b"no model",), (bytes(1000),), (b"\\xff\\xff\\xff\\0TFL3" + bytes(99),))
]
print(json.dumps(result))
"""


def test_what_it_would_crash_on_never_reaches_it(tmp_path: Path) -> None:
    """It follows an offset of 2 GiB out of the model and dies; LiteRT 2.3 looks first."""
    manifest, files = contents("tflite", brightest((1, 3, 4, 4), (2, 3), SCALE, OFFSET))
    wild = bytearray(files["model.tflite"])
    struct.pack_into("<i", wild, *struct.unpack_from("<i", wild), 0x7FFFFFF0)
    path = tmp_path / "wild.edge"
    write_bundle(path, manifest, files | {"model.tflite": bytes(wild)})
    code = (
        "import json, sys; from edgecnn_runtime import open\n"
        "from edgecnn_runtime.errors import BundleUnreadable\n"
        "try: open(sys.argv[1], engine='tflite')\n"
        "except BundleUnreadable as error: print(json.dumps([str(error)]))"
    )
    ((refusal,),) = run("-c", code, path)
    assert "is not a TFLite model" in refusal
    with pytest.raises(EngineError, match="tflite refuses the model"):
        TFLiteEngine.open(bytes(wild))


@pytest.mark.skipif(int(np.__version__[0]) < 2, reason="the trap is NumPy 2")
def test_under_numpy_2_it_is_unavailable_and_says_what_mends_it(tmp_path: Path) -> None:
    (package,) = PYTHON.parents[1].glob("lib/python3*/site-packages/tflite_runtime")
    (tmp_path / "tflite_runtime").symlink_to(package)
    code = (
        "import sys; sys.modules['ai_edge_litert'] = None\n"
        "from edgecnn_runtime.agent import main; main(['host'])"
    )
    path = os.pathsep.join((str(tmp_path), "runtime"))
    (host,) = run("-c", code, python=Path(sys.executable), path=path)
    assert host["engines"]["tflite"] is None
    assert host["missing"]["tflite"]["reason"] == (
        "opens no model with tflite_runtime 2.14.0: it was built against NumPy 1 and this is NumPy "
        f"{np.__version__}; give it an environment of its own with numpy<2, or take its successor"
    )
    assert host["missing"]["tflite"]["mend"].endswith("pip install 'edgecnn[litert]'")
