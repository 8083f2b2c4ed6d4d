"""Our TFLite files against those of litert-torch, and against ONNX Runtime on the same networks.

litert-torch is no dependency: where it is not installed its tests are skipped, and
``benchmarks/parity/other_converters.py`` says how to install it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import warnings

import numpy as np
import pytest
import torch
from parity.test_zoo import FIRST, settled, thin_form

from edgecnn.model.network import Network
from edgecnn_exporters.capture.reference import run_module, to_bytes
from edgecnn_exporters.capture.torch_export import capture
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.targets.tflite.write import write_tflite
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.engines.tflite import TFLiteEngine
from edgecnn_runtime.parity.difference import difference

# Of two families; the others take a minute and more.
FEW = ("lenet5", "mobilenet_v3_small")
NETWORKS = [
    pytest.param(name, marks=pytest.mark.slow if name in FEW else pytest.mark.exhaustive)
    for name in FIRST
]
IMAGES = 4
# Sums of float32 in another order, relative to the largest logit; layout and fusing reorder them.
RELATIVE = 1e-4


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> Network:
    return settled(request.param, thin_form(request.param))


@pytest.fixture(scope="module")
def images(network: Network) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((IMAGES, *network.shape), np.float32)


@pytest.fixture(scope="module")
def converted(network: Network, images: np.ndarray) -> tuple[bytes, bytes]:
    """The canonical graph, and the TFLite file that is written from it."""
    expected = run_module(network.module, [images[:2], images[:3]])
    model = capture(network.module, expected, batch=None, opset=18).model
    canonicalise(model)
    return to_bytes(model), write_tflite(model).content


def run_tflite(content: bytes, images: np.ndarray) -> np.ndarray:
    engine = TFLiteEngine.open(content, threads=1)
    (spec,) = engine.inputs
    found = [engine.run({spec.name: image[None]}) for image in images]
    return np.concatenate([next(iter(one.values())) for one in found])


def agree(expected: np.ndarray, found: np.ndarray) -> None:
    far = difference([(expected, found)])
    assert far.relative <= RELATIVE
    assert far.top1_agreement == 1


def test_litert_answers_as_onnx_runtime_does(
    converted: tuple[bytes, bytes], images: np.ndarray
) -> None:
    onnx, tflite = converted
    engine = OnnxRuntimeEngine.open(onnx, threads=1)
    expected = engine.run({engine.inputs[0].name: images})
    agree(next(iter(expected.values())), run_tflite(tflite, images.transpose(0, 2, 3, 1)))


@pytest.mark.skipif(
    importlib.util.find_spec("litert_torch") is None, reason="litert-torch is not installed"
)
def test_litert_torch_converts_to_the_same_answers(
    network: Network, converted: tuple[bytes, bytes], images: np.ndarray
) -> None:
    # Its import and its passes warn of deprecations, and print what they do.
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        import litert_torch

        peer = litert_torch.convert(network.module, (torch.zeros(1, *network.shape),))
    expected = run_tflite(peer.model_content(), images)
    agree(expected, run_tflite(converted[1], images.transpose(0, 2, 3, 1)))
