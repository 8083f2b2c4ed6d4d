"""Minimal reproduction for a bug report: one-node model, inputs and script, without edgecnn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.diagnose.causes.case import Case
from edgecnn_exporters.diagnose.diagnosis import Diagnosis
from edgecnn_exporters.diagnose.openvino_candidate import OpenVinoCandidate
from edgecnn_exporters.diagnose.printable import printable_diagnosis
from edgecnn_runtime.atomic import replace_file
from edgecnn_runtime.bundle.write import npy
from edgecnn_runtime.engines.table import ENGINES
from edgecnn_runtime.errors import OutputNotWritable

# The scripts are fixed texts: what a bundle calls its nodes and tensors stands in case.json.
_HEAD = '''"""One node that an engine computes wrong; case.json names it, README.md describes it.

Run: python reproduce.py    (needs numpy and the engine that is imported below)
"""

import json
from pathlib import Path

import numpy as np

here = Path(__file__).parent
case = json.loads((here / "case.json").read_text(encoding="utf-8"))
inputs = {each["name"]: np.load(here / each["file"]) for each in case["inputs"]}
expected = np.load(here / "expected.npy")
'''
_TAIL = """
error = np.abs(found - expected)
worst = np.argsort(error, axis=None)[-6:]
print("where they differ most")
print("expected", expected.ravel()[worst])
print("found   ", found.ravel()[worst])
print(f"largest error {error.max():.3g} of {np.abs(expected).max():.3g}, "
      f"mean {error.mean():.3g}")
"""
_ONNX = """
import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before the library loads
import onnxruntime

options = onnxruntime.SessionOptions()
options.add_session_config_entry("session.x64quantprecision", "1")  # exact on x86 without VNNI
session = onnxruntime.InferenceSession(
    here / "model.onnx", options, providers=["CPUExecutionProvider"]
)
(found,) = session.run(None, inputs)
"""
_OPENVINO = """
import openvino

core = openvino.Core()
compiled = core.compile_model(core.read_model(here / "model.onnx"), "CPU", case["settings"])
found = compiled(inputs)[0]
"""
_TFLITE = """
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter(str(here / "model.tflite"))
interpreter.allocate_tensors()
details = {d["name"]: d for d in interpreter.get_input_details()}
output = interpreter.get_output_details()[0]


def to_tensor(array, detail):  # NCHW reals → NHWC, in the tensor's own steps
    array = array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
    scale, zero = detail["quantization"]
    if scale:
        limits = np.iinfo(detail["dtype"])
        array = np.clip(np.rint(array / scale) + zero, limits.min, limits.max)
    return array.astype(detail["dtype"])


rows = []
for sample in range(len(expected)):
    for name, array in inputs.items():
        detail = details[name]
        interpreter.set_tensor(detail["index"], to_tensor(array[sample:sample + 1], detail))
    interpreter.invoke()
    row = interpreter.get_tensor(output["index"])
    scale, zero = output["quantization"]
    row = (row.astype(np.float32) - zero) * scale if scale else row
    rows.append(row.transpose(0, 3, 1, 2) if row.ndim == 4 else row)
found = np.concatenate(rows)
"""


def write_reproduction(diagnosis: Diagnosis, folder: Path) -> tuple[Path, ...]:
    """Write the culprit node alone, its inputs, its expected outputs, and a script that runs it.

    The folder is created; files of the same names in it are replaced.

    Returns:
        The files; none for a diagnosis of preprocessing, which has no node.

    Raises:
        OutputNotWritable: the folder or a file in it cannot be written.
    """
    case = diagnosis.case
    if case is None:
        return ()
    node = _one_node(case)
    named = [{"name": name, "file": f"input{i}.npy"} for i, name in enumerate(node.inputs)]
    document = {
        "node": diagnosis.node,
        "operator": diagnosis.operator,
        "engine": node.engine,
        "settings": node.settings,
        "inputs": named,
        "diagnosis": diagnosis.to_json(),
    }
    contents = {
        node.file: node.model,
        "expected.npy": npy(case.expected.astype(np.float32)),
        "found.npy": npy(case.actual.astype(np.float32)),
        **{each["file"]: npy(case.feeds[each["name"]].astype(np.float32)) for each in named},
        "case.json": json.dumps(document, indent=1).encode(),
        "reproduce.py": (_HEAD + node.script + _TAIL).encode(),
        "README.md": _readme(diagnosis, node).encode(),
    }
    return _write(folder, contents)


@dataclass(frozen=True)
class _Node:
    """The node alone: its model, the engine that computes it, and the script that runs that.

    Attributes:
        file: name of the model's file.
        inputs: names of its inputs, in order.
        settings: of the engine, as the script passes them on.
    """

    file: str
    model: bytes
    script: str
    engine: str
    inputs: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)


def _one_node(case: Case) -> _Node:
    piece = getattr(case.candidate, "piece", None)
    inputs = tuple(str(value.name) for value in case.theirs.graph.inputs)
    if piece is not None:
        return _Node("model.tflite", piece(case.cut, case.name), _TFLITE, "tflite", inputs)
    content = to_bytes(case.theirs)
    if isinstance(case.candidate, OpenVinoCandidate):
        hint = case.candidate.hint
        settings = {} if hint is None else {"INFERENCE_PRECISION_HINT": hint}
        return _Node("model.onnx", content, _OPENVINO, "openvino", inputs, settings)
    return _Node("model.onnx", content, _ONNX, "onnxruntime", inputs)


def _readme(diagnosis: Diagnosis, node: _Node) -> str:
    """A page whose words of the bundle stand indented: no mark in them ends a block of code."""
    words = "\n".join(f"    {line}" for line in printable_diagnosis(diagnosis).words().split("\n"))
    return (
        f"# One node that an engine computes wrong\n\n{words}\n\n"
        f"`python reproduce.py` runs the node alone, needs numpy and "
        f"{ENGINES[node.engine].package_names[0]}, and prints the error of its output.\n\n"
        f"| file | content |\n|---|---|\n| `{node.file}` | the node |\n"
        "| `case.json` | names of the node and of its inputs, and the diagnosis |\n"
        "| `input0.npy`, … | its inputs, NCHW |\n"
        "| `expected.npy` | the reference's output for these inputs |\n"
        "| `found.npy` | the runtime's output when this was written |\n"
    )


def _write(folder: Path, contents: Mapping[str, bytes]) -> tuple[Path, ...]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputNotWritable(
            f"cannot write the reproduction to {folder}: {reason}; choose another folder"
        ) from error
    paths = tuple(folder / name for name in contents)
    for path, content in zip(paths, contents.values(), strict=True):
        with replace_file(path) as stream:
            stream.write(content)
    return paths
