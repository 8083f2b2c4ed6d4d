"""Minimal reproduction for a bug report: one-node model, inputs and script, without edgecnn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgecnn_exporters.atomic import replace_file
from edgecnn_exporters.bundle.write import npy
from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.diagnose.causes.case import Case
from edgecnn_exporters.diagnose.diagnosis import Diagnosis
from edgecnn_exporters.diagnose.openvino_candidate import OpenVinoCandidate
from edgecnn_exporters.errors import OutputNotWritable
from edgecnn_runtime.engines.table import ENGINES

_HEAD = '''"""{title}

{words}

Run: python reproduce.py    (needs numpy and {package})
"""

from pathlib import Path

import numpy as np

here = Path(__file__).parent
inputs = {{name: np.load(here / file) for name, file in {files!r}.items()}}
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
compiled = core.compile_model(core.read_model(here / "model.onnx"), "CPU", {settings})
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
    name, model, script, engine, fed = _one_node_model(case)
    arrays = {f"input{index}.npy": case.feeds[key] for index, key in enumerate(fed)}
    files = dict(zip(fed, arrays, strict=True))
    title = f"{diagnosis.node} ({diagnosis.operator}) in {diagnosis.candidate}: {diagnosis.cause}"
    words = diagnosis.words().replace("\\", "/").replace('"""', "'''")
    package = ENGINES[engine].package_names[0]
    head = _HEAD.format(title=title, words=words, package=package, files=files)
    contents = {
        name: model,
        "expected.npy": npy(case.expected.astype(np.float32)),
        "found.npy": npy(case.actual.astype(np.float32)),
        **{file: npy(array.astype(np.float32)) for file, array in arrays.items()},
        "reproduce.py": (head + script + _TAIL).encode(),
        "README.md": _readme(title, diagnosis, files).encode(),
    }
    return _write(folder, contents)


def _one_node_model(case: Case) -> tuple[str, bytes, str, str, list[str]]:
    """File name and bytes of the model, the script that runs it, its engine, and its inputs."""
    piece = getattr(case.candidate, "piece", None)
    fed = [str(value.name) for value in case.theirs.graph.inputs]
    if piece is not None:
        return "model.tflite", piece(case.cut, case.name), _TFLITE, "tflite", fed
    content = to_bytes(case.theirs)
    if isinstance(case.candidate, OpenVinoCandidate):
        hint = case.candidate.hint
        settings = {} if hint is None else {"INFERENCE_PRECISION_HINT": hint}
        return "model.onnx", content, _OPENVINO.format(settings=settings), "openvino", fed
    return "model.onnx", content, _ONNX, "onnxruntime", fed


def _readme(title: str, diagnosis: Diagnosis, files: Mapping[str, str]) -> str:
    rows = "".join(f"| `{file}` | input `{name}`, NCHW |\n" for name, file in files.items())
    return (
        f"# {title}\n\n```\n{diagnosis.words()}\n```\n\n`python reproduce.py` runs the node alone "
        "and prints the error of its output.\n\n| file | content |\n|---|---|\n"
        f"{rows}| `expected.npy` | the reference's output for these inputs |\n"
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
