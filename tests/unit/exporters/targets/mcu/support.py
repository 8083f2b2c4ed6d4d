"""A small image classifier in 8 bits, with golden examples, as compilers get it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.compile.network import read_network
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets.compilers import IntegerNetwork, Settings
from edgecnn_exporters.targets.mcu.interpreter import TFLM
from edgecnn_exporters.targets.profile import TargetProfile
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import npy, write_bundle
from edgecnn_runtime.manifest import (
    Artefact,
    ChannelGroup,
    Golden,
    Manifest,
    Postprocess,
    Preprocess,
)
from edgecnn_runtime.tensor_spec import TensorSpec

needs_tflm = pytest.mark.skipif(
    TFLM.version() is None, reason=f"tflite-micro is not installed: {TFLM.install}"
)
PREPROCESS = Preprocess(
    "RGB", (8, 8), "bilinear", None, 1 / 255, (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)
)
BODY = """
    [first] a = Conv <pads = [1, 1, 1, 1]> (x, w1, b1)
    b = Relu (a)
    [second] c = Conv (b, w2, b2)
    d = Relu (c)
    e = Flatten (d)
    [fc] y = Gemm <transB = 1> (e, wide, offset)
"""
EXAMPLES = 40
RANDOM = np.random.default_rng(5)
WEIGHTS = {
    "wide": (RANDOM.standard_normal((10, 5 * 64)) * 0.1).astype(np.float32),
    "narrow": (RANDOM.standard_normal((10, 3 * 64)) * 0.1).astype(np.float32),
    "joined": np.random.default_rng(6).normal(0, 0.3, (10, 23 * 6)).astype(np.float32),
    "offset": RANDOM.standard_normal(10).astype(np.float32),
}


@cache
def classifier(body: str = BODY) -> IntegerNetwork:
    """(1, 3, 8, 8) → ten logits: two convolutions and a FULLY_CONNECTED; 40 golden examples."""
    images = RANDOM.standard_normal((EXAMPLES, 1, 3, 8, 8)).astype(np.float32)
    float_model = network(body, WEIGHTS, answers="float[N, K] y")
    model = quantise(float_model, list(images[:8]), QuantConfig("fast")).model
    answers = [ValueProbe(float_model, ["y"]).run(image)["y"] for image in images]
    manifest = Manifest(
        name="small",
        inputs=(TensorSpec("x", "float32", (None, 3, 8, 8)),),
        outputs=(TensorSpec("y", "float32", (None, 10)),),
        artefacts=(Artefact("model.int8.onnx", "onnx", "int8", sqnr_db={"y": (20.0,)}),),
        files={},
        preprocess=PREPROCESS,
        postprocess=Postprocess(softmax=True, labels="labels.txt"),
        groups={"y": (ChannelGroup(1, ((0, 10),), -10.0, 10.0),)},
        golden=tuple(
            Golden({"x": f"golden/{index}.x.npy"}, {"y": f"golden/{index}.y.npy"})
            for index in range(EXAMPLES)
        ),
    )
    files = {"model.int8.onnx": to_bytes(model), "labels.txt": b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"}
    for index, (image, answer) in enumerate(zip(images, answers, strict=True)):
        files[f"golden/{index}.x.npy"] = npy(image)
        files[f"golden/{index}.y.npy"] = npy(answer)
    with TemporaryDirectory() as folder:
        path = Path(folder, "small.edge")
        write_bundle(path, manifest, files)
        with Bundle(path) as bundle:
            return read_network(bundle)


def settings(folder: Path) -> Settings:
    return Settings(folder, folder / "compile.log")


def board(flash_bytes: int, ram_bytes: int) -> TargetProfile:
    """A profile of a board with that memory."""
    memory = {"core": "Cortex-M4", "flash_bytes": flash_bytes, "ram_bytes": ram_bytes}
    return TargetProfile("mcu-board", "mcu", "a board", "by hand", settings=memory)


def with_labels(given: IntegerNetwork, labels: tuple[str, ...]) -> IntegerNetwork:
    return replace(given, labels=labels)
