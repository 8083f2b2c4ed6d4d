"""A reproduction's script is the same whatever a node is called: names are data beside it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx.parser
import onnx_ir as ir
import pytest
from hostile.names import acts, names
from hypothesis import HealthCheck, given, settings

from edgecnn_exporters.diagnose.causes.case import Case
from edgecnn_exporters.diagnose.diagnosis import Diagnosis
from edgecnn_exporters.diagnose.openvino_candidate import OpenVinoCandidate
from edgecnn_exporters.diagnose.reproduce import write_reproduction
from edgecnn_exporters.diagnose.sources import OnnxCandidate

NODE = """<ir_version: 8, opset_import: ["": 18]>
node (float[N, 2, 3, 3] x) => (float[N, 2, 3, 3] y) { y = Relu(x) }"""

CODE = 'x"""\nopen("INJECTED", "w").write("code of the bundle ran")\n"""'


@dataclass
class TflitePiece:
    """Cuts nothing: the script is what counts here."""

    def piece(self, cut: object, name: str) -> bytes:
        return b"TFL3"


def openvino_candidate() -> OpenVinoCandidate:
    candidate = object.__new__(OpenVinoCandidate)
    object.__setattr__(candidate, "hint", "f32")
    return candidate


def onnx_candidate() -> OnnxCandidate:
    return object.__new__(OnnxCandidate)


def diagnosis_of(name: str, candidate: object) -> Diagnosis:
    """A diagnosis all of whose words, and whose node's input, are `name`."""
    model = ir.from_proto(onnx.parser.parse_model(NODE))
    # A graph whose strings are no UTF-8 does not come out of a file.
    model.graph.inputs[0].name = name.encode(errors="replace").decode() or "x"
    feed = np.arange(-9, 9, dtype=np.float32).reshape(1, 2, 3, 3)
    told = {
        "name": "y",
        "candidate": candidate,
        "theirs": model,
        "feeds": {str(model.graph.inputs[0].name): feed},
        "expected": np.maximum(feed, 0) + 1,
        "actual": np.maximum(feed, 0),
    }
    # Of the rest a reproduction needs nothing.
    case = Case(**{field.name: cast(Any, told.get(field.name)) for field in fields(Case)})
    words = (name, name, name, "saturation", name, name)
    return Diagnosis(*words, is_confirmed=True, isolated=2.0, after=0.5, allowance=name, case=case)


def written(name: str, candidate: object, folder: Path) -> dict[str, bytes]:
    paths = write_reproduction(diagnosis_of(name, candidate), folder)
    return {path.name: path.read_bytes() for path in paths}


def compare_pages(folder: Path, candidate: Any, name: str) -> None:
    """The script and the page of a node of that name are those of any other."""
    plain = written("conv1", candidate(), folder / "plain")
    named = written(name, candidate(), folder / "named")
    assert named["reproduce.py"] == plain["reproduce.py"]
    ast.parse(plain["reproduce.py"])
    assert json.loads(named["case.json"])["node"] == json.loads(json.dumps(name))
    page, own = (files["README.md"].decode().split("\n") for files in (named, plain))
    assert not acts("\n".join(page))
    # The words are a block of code, and the page beside them is ours.
    assert len(page) == len(own)
    assert [line for line in page if not line.startswith("    ")] == [
        line for line in own if not line.startswith("    ")
    ]


@pytest.mark.parametrize("candidate", [onnx_candidate, openvino_candidate, TflitePiece])
def test_code_in_a_name_reaches_no_script_and_no_page(tmp_path: Path, candidate: Any) -> None:
    compare_pages(tmp_path, candidate, CODE)


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=names())
def test_no_name_reaches_a_script_or_a_page(tmp_path: Path, name: str) -> None:
    compare_pages(tmp_path, onnx_candidate, name)


def test_a_script_whose_node_is_called_code_runs_none_of_it(tmp_path: Path) -> None:
    files = written(CODE, onnx_candidate(), tmp_path)
    assert set(files) >= {"reproduce.py", "case.json", "model.onnx", "README.md"}
    done = subprocess.run(
        [sys.executable, "-I", "reproduce.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "largest error 1 of 9" in done.stdout
    assert not (tmp_path / "INJECTED").exists()


def test_what_stands_in_the_way_is_not_written_into(tmp_path: Path) -> None:
    """A link where the script is to be is replaced: what it leads to stays."""
    (tmp_path / "own.py").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "reproduce.py").symlink_to(tmp_path / "own.py")
    diagnosis = diagnosis_of("conv1", onnx_candidate())
    assert write_reproduction(replace(diagnosis), tmp_path / "out")
    assert (tmp_path / "own.py").read_text() == "mine"
    assert "json" in (tmp_path / "out" / "reproduce.py").read_text()
