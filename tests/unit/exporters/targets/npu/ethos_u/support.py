"""Small integer networks with two golden examples, and what Vela and TOSA need to be there."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from unit.exporters.targets.npu.support import interpreter
from unit.exporters.targets.tflite.integer_support import IMAGES, quantised

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.compile.network import read_network
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.targets.compilers import IntegerNetwork, Settings
from edgecnn_exporters.targets.npu.ethos_u.toolchains import REFERENCE_MODEL, VELA
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import npy, write_bundle
from edgecnn_runtime.manifest import Artefact, ChannelGroup, Golden, Manifest
from edgecnn_runtime.tensor_spec import TensorSpec

needs_vela = pytest.mark.skipif(VELA.version() is None, reason=f"no Vela here; {VELA.install}")
TOSA_PYTHON = interpreter(REFERENCE_MODEL.variable, ".venv-tosa")
needs_tosa = pytest.mark.skipif(
    not TOSA_PYTHON.exists(),
    reason="there is no .venv-tosa with Arm's TOSA tools; make test makes it, or name an "
    f"interpreter in {REFERENCE_MODEL.variable}",
)
# (1, 6, 8, 8) → (1, 5, 8, 8): 6 · 5 · 64 multiply-adds.
POINT = "[point] y = Conv (x, point)"
POINT_MACS = 1920
DENSE = "f = Flatten (x) [wide] y = Gemm <transB = 1> (f, wide, offset)"
LOGARITHMS = """
    f = Flatten (x) [wide] g = Gemm <transB = 1> (f, wide, offset)
    y = LogSoftmax <axis = 1> (g)
"""
ROWS = "float[N, K] y"


@cache
def integer_network(body: str, answers: str = "float[N, C, H, W] y") -> IntegerNetwork:
    """A network of 8 bits that reads an image x of six channels, 8×8."""
    model = quantised(body, answers)
    images = [image.astype(np.float32) for image in IMAGES[:2]]
    outputs = [ValueProbe(model, ["y"]).run(image)["y"] for image in images]
    shape = (None, *outputs[0].shape[1:])
    manifest = Manifest(
        name="small",
        inputs=(TensorSpec("x", "float32", (None, 6, 8, 8)),),
        outputs=(TensorSpec("y", "float32", shape),),
        artefacts=(Artefact("model.int8.onnx", "onnx", "int8", sqnr_db={"y": (20.0,)}),),
        files={},
        groups={"y": (ChannelGroup(1, ((0, outputs[0].shape[1]),), -10.0, 10.0),)},
        golden=tuple(
            Golden({"x": f"golden/{n}.x.npy"}, {"y": f"golden/{n}.y.npy"})
            for n in range(len(images))
        ),
    )
    files = {"model.int8.onnx": to_bytes(model)}
    for number, (image, output) in enumerate(zip(images, outputs, strict=True)):
        files[f"golden/{number}.x.npy"] = npy(image)
        files[f"golden/{number}.y.npy"] = npy(output)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "small.edge")
        write_bundle(path, manifest, files)
        with Bundle(path) as bundle:
            return read_network(bundle)


def settings(folder: Path) -> Settings:
    return Settings(folder, folder / "compiler.log")
