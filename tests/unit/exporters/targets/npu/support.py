"""Integer networks for the NPU compilers, the vendors' interpreters, and doubles of these."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from unit.exporters.compile.test_network import bundle_of
from unit.exporters.targets.tflite.integer_support import quantised

from edgecnn_exporters.compile.network import read_network
from edgecnn_exporters.targets import About
from edgecnn_exporters.targets.compilers import Example, IntegerNetwork, Settings
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.manifest import Artefact, ChannelGroup, Manifest, Postprocess
from edgecnn_runtime.tensor_spec import TensorSpec

ROOT = Path(__file__).parents[5]
# A network of every kind of layer that a small classifier has.
BODY = (
    "[wise] a = Conv <group = 6, pads = [1, 1, 1, 1]> (x, wise) b = Sigmoid (a) "
    "[gate] c = Conv (b, gate) d = Add (c, b) r = Relu (d) e = MaxPool <kernel_shape = [2, 2], "
    "strides = [2, 2]> (r) g = GlobalAveragePool (e) h = Flatten (g) "
    "[fc] y = Gemm <transB = 1> (h, fc, offset)"
)
CLASSES = "float[N, K] y"


def interpreter(variable: str, folder: str) -> Path:
    """The interpreter with a vendor's package: of the variable, or what make test-rest makes."""
    return Path(os.environ.get(variable) or ROOT / folder / "bin/python")


def small_network(folder: Path, body: str = BODY, numbers: int = 10) -> IntegerNetwork:
    """The integer network of a small classifier, of the opset that `edgecnn export` writes."""
    model = quantised(body, CLASSES).clone()
    model.opset_imports[""] = 18
    outputs = (TensorSpec("y", "float32", (None, numbers)),)
    groups = {"y": (ChannelGroup(1, ((0, numbers),), -10.0, 10.0),)}
    with Bundle(bundle_of(folder, model, outputs=outputs, groups=groups)) as bundle:
        return read_network(bundle)


def replace_operator(network: IntegerNetwork, old: str, new: str) -> tuple[IntegerNetwork, str]:
    """The network with another operator for the only one of that type, and the node's name."""
    model = onnx.load_from_string(network.onnx_uint8)
    (node,) = (each for each in model.graph.node if each.op_type == old)
    node.op_type = new
    return replace(network, onnx_uint8=model.SerializeToString()), node.name


def settings(folder: Path, *accepted: str) -> Settings:
    """Settings of a compilation in `folder`."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return Settings(scratch, folder / "log", frozenset(accepted))


def vendor(folder: Path, version: str, says: str) -> Path:
    """A double of a vendor's interpreter: it tells its version, and fails at every task."""
    program = folder / "python"
    program.write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = -c ]; then echo {version}; exit; fi\n'
        f'echo \'{{"failed": "{says}"}}\' > "$2/result.json"\n',
        encoding="utf-8",
    )
    program.chmod(0o755)
    return program


def answered(
    expected: np.ndarray, cpu: np.ndarray, *, is_classifier: bool = False
) -> IntegerNetwork:
    """A network without a graph: float outputs and the CPU's, a row an example."""
    examples = [Example({}, {"y": row[None]}) for row in expected]
    specs = (TensorSpec("x", "float32", (1, 4)),), (TensorSpec("y", "float32", (1, 4)),)
    post = Postprocess(softmax=True, labels="labels.txt") if is_classifier else None
    return IntegerNetwork(
        about=About("made"),
        manifest=Manifest("made", *specs, artefacts=(), files={}, postprocess=post),
        labels=(),
        onnx=b"",
        onnx_uint8=b"",
        tflite=b"",
        tflite_entry=Artefact("model.int8.tflite", "tflite", "int8"),
        uint8={"x": (0.5, 128), "y": (0.25, 100)},
        cpu_int8=[{"y": row[None]} for row in cpu],
        examples=examples,
    )
