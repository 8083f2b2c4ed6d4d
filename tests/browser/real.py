"""The real browser of these tests, and the bundle that pages run."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import tflite_models
from conftest import INPUT, MODELS, OFFSET, SCALE, contents, onnx_model

from edgecnn.errors import BrowserUnavailable
from edgecnn.web.browser import Browser, find_browser
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.manifest import Artefact


@cache
def real_browser() -> Browser:
    """The browser of this machine; without one the module is skipped."""
    try:
        return find_browser()
    except BrowserUnavailable as error:
        pytest.skip(f"needs a browser: {error}", allow_module_level=True)


def write_brightest(path: Path, *, labels: bytes = b"red\ngreen\nblue\n") -> Path:
    """A bundle that finds the brightest channel, in the formats of pages and in OpenVINO's."""
    manifest, files = contents("onnx", onnx_model())
    one = (1, *INPUT.shape[1:])
    openvino = MODELS["openvino"][1]()
    assert openvino.weights is not None
    files |= {
        "labels.txt": labels,
        "model.tflite": tflite_models.brightest(one, (2, 3), SCALE, OFFSET),
        "model.xml": openvino.model,
        "model.bin": openvino.weights,
    }
    artefacts = (
        *manifest.artefacts,
        Artefact("model.tflite", "tflite", "fp32"),
        Artefact("model.xml", "openvino", "fp32", weights="model.bin"),
    )
    write_bundle(path, replace(manifest, artefacts=artefacts), files)
    return path
