from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from conftest import onnx_model, openvino_model

from edgecnn_runtime.engines.openvino import OpenVINOEngine
from edgecnn_runtime.errors import EngineError


def test_other_formats_that_openvino_reads_are_refused() -> None:
    # Among them ONNX, whose tensors may lie in any file of the machine.
    with pytest.raises(EngineError, match="it is no OpenVINO IR, which is XML"):
        OpenVINOEngine.open(onnx_model(), weights=b"")


def test_an_ir_without_its_weights_says_what_is_missing() -> None:
    with pytest.raises(EngineError, match=r"name the \.bin as 'weights' of the artefact"):
        OpenVINOEngine.open(openvino_model().model)


def test_weights_that_are_too_short_are_refused_in_openvinos_words() -> None:
    content = openvino_model()
    assert content.weights is not None
    with pytest.raises(EngineError, match="refuses the model: Incorrect weights in bin file!"):
        OpenVINOEngine.open(content.model, weights=content.weights[:-1])


@pytest.mark.parametrize("threads", [1, 2])
def test_it_computes_in_float32_on_one_stream_with_the_threads_asked_for(threads: int) -> None:
    content = openvino_model()
    engine = OpenVINOEngine.open(content.model, weights=content.weights, threads=threads)
    compiled = engine._request.get_compiled_model()
    assert compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"
    assert compiled.get_property("NUM_STREAMS") == 1
    assert compiled.get_property("INFERENCE_NUM_THREADS") == threads


def test_a_feed_that_may_not_be_written_is_read() -> None:
    content = openvino_model()
    engine = OpenVINOEngine.open(content.model, weights=content.weights)
    feed = np.ones((1, 3, 4, 4), np.float32)
    feed.flags.writeable = False
    np.testing.assert_array_equal(engine.run({"input": feed})["logits"], np.full((1, 3), 3))


def test_importing_it_starts_no_other_process() -> None:
    """Its telemetry would fork, in the middle of a measurement."""
    code = """
import os, sys, time

def fork():
    os._exit(3)

os.fork = fork
from edgecnn_runtime.engines.openvino import OpenVINOEngine
OpenVINOEngine.version()
time.sleep(0.5)
assert "openvino_telemetry" not in sys.modules
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
