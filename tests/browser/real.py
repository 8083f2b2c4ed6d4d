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
from edgecnn.web.engines import NATIVE_FILE, NATIVE_INSTALL, native_file
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.manifest import Artefact, ChannelGroup


@cache
def real_browser() -> Browser:
    """The browser of this machine; without one the module is skipped."""
    try:
        return find_browser()
    except BrowserUnavailable as error:
        pytest.skip(f"needs a browser: {error}", allow_module_level=True)


def native_module() -> Path:
    """The native engine's module; without it the test module is skipped."""
    path = native_file()
    if path is None:
        pytest.skip(f"no {NATIVE_FILE}: {NATIVE_INSTALL}", allow_module_level=True)
    return path


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
        "model.plan": MODELS["native"][1]().model,
    }
    artefacts = (
        *manifest.artefacts,
        Artefact("model.tflite", "tflite", "fp32"),
        Artefact("model.xml", "openvino", "fp32", weights="model.bin"),
        Artefact("model.plan", "plan", "int8", sqnr_db={"logits": (40.0,)}),
    )
    groups = {"logits": (ChannelGroup(1, ((0, 3),), 0.0, 3.0),)}
    write_bundle(path, replace(manifest, artefacts=artefacts, groups=groups), files)
    return path
