"""ONNX's own backend tests through the TFLite target, each of them in a process that may die.

A network has its weights in the file; these tests feed them. So every input but the first of
float32 becomes a constant of the model, as the test's data has it, and what is then left to compute
is what the exporter has to write. The graph is brought into canonical form first, as an export
brings it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).parents[1]
LIST = Path(__file__).with_name("onnx_backend.json")
UPDATE = "python tests/parity/make_onnx_backend.py"
KINDS = ("node", "pytorch-converted", "pytorch-operator")
PASSED = "passed"
# Before what is no refusal but a fault: it has no place in the list.
BROKEN = "broken: "


@dataclass(frozen=True)
class Case:
    """A test of ONNX's whose every operator has a translation.

    Attributes:
        sets: (inputs, outputs) of each of its data sets.
    """

    name: str
    model: Any
    sets: list[tuple[list[Any], list[Any]]]
    relative: float
    absolute: float


def cases() -> list[Case]:
    """Those of ONNX's tests that use no operator but those that the TFLite target writes."""
    from onnx.backend.test.loader import load_model_tests

    from edgecnn_exporters.targets.tflite.operators.table import OPERATORS

    written = {*OPERATORS, "Constant"}
    found = {}
    with warnings.catch_warnings():
        # Making the data of other operators overflows, on purpose.
        warnings.simplefilter("ignore")
        tests = [test for kind in KINDS for test in load_model_tests(kind=kind)]
    for test in tests:
        model, sets = _read(test)
        if all(node.domain == "" and node.op_type in written for node in model.graph.node):
            found[test.name] = Case(test.name, model, sets, test.rtol, test.atol)
    return [found[name] for name in sorted(found)]


def _read(test: Any) -> tuple[Any, list[tuple[list[Any], list[Any]]]]:
    import onnx
    from onnx import TensorProto, numpy_helper

    if test.model is not None:
        return test.model, test.data_sets
    folder = Path(test.model_dir)

    def array(path: Path) -> np.ndarray:
        proto = TensorProto()
        proto.ParseFromString(path.read_bytes())
        return numpy_helper.to_array(proto)

    def arrays(data: Path, what: str) -> list[np.ndarray]:
        count = len(list(data.glob(f"{what}_*.pb")))
        return [array(data / f"{what}_{number}.pb") for number in range(count)]

    sets = [
        (arrays(data, "input"), arrays(data, "output"))
        for data in sorted(folder.glob("test_data_set_*"))
    ]
    return onnx.load(folder / "model.onnx"), sets


def outcome(case: Case) -> str:
    """`PASSED`, or why LiteRT does not answer what the test asks for."""
    for inputs, outputs in case.sets:
        reason = _run(case, inputs, outputs)
        if reason != PASSED:
            return reason
    return PASSED


def _run(case: Case, inputs: list[Any], outputs: list[Any]) -> str:
    from unit.exporters.targets.tflite.support import answer

    from edgecnn_exporters.capture.onnx_source import read_onnx
    from edgecnn_exporters.errors import UnsupportedModel
    from edgecnn_exporters.passes import canonicalise
    from edgecnn_exporters.targets.tflite.write import write_tflite

    if not all(isinstance(each, np.ndarray | np.generic) for each in (*inputs, *outputs)):
        return "its values are sequences or optionals, not tensors"
    bound = _bind(case.model, inputs)
    if bound is None:
        return "it reads no float32, and a network's input is an image of it"
    proto, feeds = bound
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.onnx")
            path.write_bytes(proto.SerializeToString())
            model = read_onnx(path).model
        canonicalise(model)
        found = write_tflite(model)
    except UnsupportedModel as error:
        return _without_names(str(error))
    made = answer(found, feeds)
    for name, expected in zip((o.name for o in proto.graph.output), outputs, strict=True):
        array = made[name]
        if array.shape != expected.shape or array.dtype != expected.dtype:
            wanted = f"{expected.dtype} {expected.shape}"
            return f"{BROKEN}{array.dtype} {array.shape}, expected {wanted}"
        if not np.allclose(array, expected, case.relative, case.absolute, equal_nan=True):
            return f"{BROKEN}differs by {np.abs(array - expected).max():.2g}"
    return PASSED


def _bind(model: Any, inputs: list[Any]) -> tuple[Any, dict[str, np.ndarray]] | None:
    """The model with all but one input as constants, and what is fed to that one."""
    import onnx
    from onnx import numpy_helper

    proto = onnx.ModelProto()
    proto.CopyFrom(model)
    # Since then an initialiser need not be an input too.
    proto.ir_version = max(proto.ir_version, 8)
    data = dict(zip((value.name for value in model.graph.input), inputs, strict=False))
    fed = next((name for name, array in data.items() if array.dtype == np.float32), None)
    if fed is None:
        return None
    own = {tensor.name for tensor in proto.graph.initializer}
    kept = [value for value in model.graph.input if value.name == fed]
    del proto.graph.input[:]
    proto.graph.input.extend(kept)
    for name, array in data.items():
        if name != fed and name not in own:
            proto.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    return proto, {fed: data[fed]}


def _without_names(message: str) -> str:
    """The reason of a refusal, for all nodes that it is that of."""
    said = message.partition(" cannot be written as TFLite: ")
    if said[1]:
        operator = re.search(r"\((\w+)\)$", said[0])
        return f"{operator.group(1) if operator else said[0]}: {said[2]}"
    return re.sub(r"/tmp/\S+/", "", message)


def listed(found: dict[str, str]) -> dict[str, Any]:
    """The outcomes as the list in the repository has them: what passes, and the rest by reason."""
    reasons: dict[str, list[str]] = {}
    for name, said in sorted(found.items()):
        reasons.setdefault(said, []).append(name)
    return {"passed": reasons.pop(PASSED, []), "left_out": dict(sorted(reasons.items()))}


def run_all() -> dict[str, str]:
    """The outcome of every case, by its name. A process that dies is the outcome of its case."""
    found: dict[str, str] = {}
    while True:
        name, before = "", len(found)
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, *found],
            cwd=TESTS,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            for kind, name, said in _lines(process):
                if kind == "done":
                    found[name] = said
        if process.returncode == 0:
            return found
        if name and name not in found:
            found[name] = f"{BROKEN}the process ends with {process.returncode}"
        if len(found) == before:
            raise RuntimeError(f"the backend tests end with {process.returncode} before any begins")


def _lines(process: subprocess.Popen[str]) -> Iterator[tuple[str, str, str]]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("["):
            kind, name, said = json.loads(line)
            yield kind, name, said


def main(done: set[str]) -> None:
    """Run what is not `done`, saying before each case that it begins and after it how it ended."""
    sys.path.insert(0, str(TESTS))
    for case in cases():
        if case.name in done:
            continue
        print(json.dumps(["begun", case.name, ""]), flush=True)
        print(json.dumps(["done", case.name, outcome(case)]), flush=True)


if __name__ == "__main__":
    main(set(sys.argv[1:]))
