"""Bundles for tests: a classifier of the brightest channel, in every engine's format."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

import native_plans
import numpy as np
import pytest
import tflite_models

from edgecnn_runtime.bundle import ArtefactContent
from edgecnn_runtime.bundle.write import npy, write_bundle
from edgecnn_runtime.manifest import Artefact, Golden, Manifest, Postprocess, Preprocess
from edgecnn_runtime.tensor_spec import TensorSpec


def pytest_configure() -> None:
    """Ctrl-C and a hang-up end what tests start, though a shell or nohup may have us ignore them.

    What is ignored stays so in every program that is started; a shell lets what runs in the
    background ignore Ctrl-C.
    """
    # What benches of other tests, or of this machine's user, measured decides nothing in a test.
    os.environ["EDGECNN_MEASURED"] = ""
    for number, usual in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    _forget_the_terminal()


def _forget_the_terminal() -> None:
    """Programs that tests start have no width from us.

    pytest imports readline, which writes COLUMNS and LINES into the environment of its children.
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("readline")
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
        os.unsetenv(name)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share what a fixture of their module makes go to one worker, which makes it once.

    Workers of `pytest -n` share nothing: with the tests of a module on two of them, each makes it.
    """
    for item in items:
        group = _shared(item)
        if group and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(group))


def _shared(item: pytest.Item) -> str:
    """The module of a test and the parameters of the module's fixtures; "" if it uses none."""
    if not isinstance(item, pytest.Function):
        return ""
    fixtures = item._fixtureinfo.name2fixturedefs
    names = [name for name, made in fixtures.items() if made[-1].scope == "module"]
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    values = [str(parameters[name]) for name in sorted(names) if name in parameters]
    return "-".join([item.module.__name__, *values]) if names else ""


INPUT = TensorSpec("input", "float32", (None, 3, 4, 4))
OUTPUT = TensorSpec("logits", "float32", (None, 3))
SCALE, OFFSET = 2.0, 1.0

ONNX_TEXT = """
<ir_version: 8, opset_import: ["" : 18]>
brightest (float[N, 3, 4, 4] input) => (float[N, 3] logits)
<float scale = {2.0}, float offset = {1.0}> {
    pooled = GlobalAveragePool(input)
    flat = Flatten<axis = 1>(pooled)
    scaled = Mul(flat, scale)
    logits = Add(scaled, offset)
}
"""


def fake_model() -> bytes:
    specs = {
        "inputs": [[INPUT.name, INPUT.dtype, INPUT.shape]],
        "outputs": [[OUTPUT.name, OUTPUT.dtype, OUTPUT.shape]],
    }
    return json.dumps(specs | {"scale": SCALE, "offset": OFFSET}).encode()


def onnx_model() -> bytes:
    import onnx.parser

    return onnx.parser.parse_model(ONNX_TEXT).SerializeToString()


def tflite_model() -> bytes:
    return tflite_models.brightest(INPUT.shape, (2, 3), SCALE, OFFSET)


def openvino_model() -> ArtefactContent:
    import openvino
    from openvino import opset13

    image = opset13.parameter(openvino.PartialShape([-1, *INPUT.shape[1:]]), np.float32)
    pooled = opset13.reduce_mean(image, np.array([2, 3], np.int64))
    logits = opset13.add(opset13.multiply(pooled, np.float32(SCALE)), np.float32(OFFSET))
    image.output(0).set_names({INPUT.name})
    logits.output(0).set_names({OUTPUT.name})
    with tempfile.TemporaryDirectory() as folder:
        xml, weights = Path(folder, "model.xml"), Path(folder, "model.bin")
        openvino.serialize(openvino.Model([logits], [image], "brightest"), xml, weights)
        return ArtefactContent(xml.read_bytes(), weights.read_bytes())


# Engine → its format, and the same network in it.
MODELS: dict[str, tuple[str, Callable[[], ArtefactContent]]] = {
    "fake": ("fake", lambda: ArtefactContent(fake_model(), None)),
    "onnxruntime": ("onnx", lambda: ArtefactContent(onnx_model(), None)),
    "openvino": ("openvino", openvino_model),
    "tflite": ("tflite", lambda: ArtefactContent(tflite_model(), None)),
    "native": ("plan", lambda: ArtefactContent(native_plans.brightest_plan(), None)),
}
# Largest error of an engine that computes in 8 bits: pixels and means in steps of 1/255, doubled.
STEPS = {"native": 2 / 255}


def red_image(height: int = 6, width: int = 5) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = 200
    return image


def contents(
    format: str = "fake", model: bytes | None = None, weights: bytes | None = None
) -> tuple[Manifest, dict[str, bytes]]:
    """The manifest and files of a sound bundle that finds the brightest channel."""
    image = red_image(4, 4)
    feed = image.transpose(2, 0, 1)[None].astype(np.float32) / 255
    answer = feed.mean(axis=(2, 3)) * SCALE + OFFSET
    path = f"model.{format}"
    files = {
        path: fake_model() if model is None else model,
        "labels.txt": b"red\ngreen\nblue\n",
        "golden/0.input.npy": npy(feed),
        "golden/0.output0.npy": npy(answer.astype(np.float32)),
        "golden/0.image.npy": npy(image),
    }
    if weights is not None:
        files["model.bin"] = weights
    manifest = Manifest(
        name="brightest",
        inputs=(INPUT,),
        outputs=(OUTPUT,),
        artefacts=(
            Artefact(path, format, "fp32", weights=None if weights is None else "model.bin"),
        ),
        files={},
        preprocess=Preprocess(
            "RGB", (4, 4), "bilinear", None, 1 / 255, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        ),
        postprocess=Postprocess(softmax=True, labels="labels.txt"),
        golden=(
            Golden(
                {"input": "golden/0.input.npy"},
                {"logits": "golden/0.output0.npy"},
                "golden/0.image.npy",
            ),
        ),
        provenance={"command": "by hand"},
    )
    return manifest, files


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A sound bundle for the fake engine."""
    path = tmp_path / "brightest.edge"
    write_bundle(path, *contents())
    return path


@pytest.fixture
def onnx_bundle(tmp_path: Path) -> Path:
    """A sound bundle for ONNX Runtime."""
    path = tmp_path / "brightest-onnx.edge"
    write_bundle(path, *contents("onnx", onnx_model()))
    return path
