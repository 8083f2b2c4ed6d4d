"""Trained networks whole, as plans executed in numpy: the logits of ONNX Runtime's kernels."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx_ir as ir
import pytest
from plans.executor import Executor
from plans.plan_file import read

from edgecnn.model.build import build_network
from edgecnn.model.network import NetworkOptions
from edgecnn.model.resolve import resolve
from edgecnn_exporters.capture.reference import run_module
from edgecnn_exporters.capture.torch_export import capture
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets.native.write import plan_of

# LeNet-5: Tanh, pools, an image flattened. MobileNetV3: gates, HardSwish, 5×5, residuals.
NETWORKS = {"lenet5": "mnist", "resnet8": "cifar10", "mobilenet_v3_small": "cifar10"}


@cache
def quantised(name: str) -> tuple[ir.Model, np.ndarray]:
    """The QDQ graph of a shipped checkpoint, and images that differ."""
    network = build_network(resolve(name), NetworkOptions(NETWORKS[name], quiet=True))
    images = np.random.default_rng(0).standard_normal((6, 1, *network.shape)).astype(np.float32)
    reference = run_module(network.module.eval(), [images[0], np.concatenate(images[:2])])
    model = capture(network.module, reference, batch=None, opset=20).model
    canonicalise(model)
    return quantise(model, list(images), QuantConfig("fast")).model, images


@pytest.mark.parametrize(
    "name",
    ["lenet5", "resnet8", pytest.param("mobilenet_v3_small", marks=pytest.mark.slow)],
)
def test_logits_are_those_of_onnx_runtime_bit_for_bit(name: str) -> None:
    model, images = quantised(name)
    plans = [plan_of(model), plan_of(model, least_memory=True)]
    engine = ValueProbe(model, kernels=True)
    for image, plan in zip(images, plans, strict=False):
        (expected,) = engine.run(image).values()
        (found,) = Executor(read(plan.to_bytes())).run(image[0])
        np.testing.assert_equal(found.reshape(expected.shape), expected)
        assert np.ptp(expected) > 1
