"""Shipped checkpoints in OpenVINO: float as PyTorch, int8 as the QDQ graph and integer kernels."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from processor import OPENVINO_WEIGHT_BITS

from edgecnn.model.build import build_network
from edgecnn.model.description import read_description
from edgecnn.model.network import NetworkOptions
from edgecnn.model.resolve import resolve
from edgecnn_exporters.capture.examples import example_batch
from edgecnn_exporters.capture.reference import Reference, run_module
from edgecnn_exporters.capture.torch_export import capture
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.targets.openvino.placement import PRODUCTS, executed_precisions
from edgecnn_exporters.targets.openvino.write import OpenVinoModel, write_openvino
from edgecnn_runtime.parity.difference import difference
from edgecnn_runtime.parity.tolerances import TOLERANCES
from edgecnn_runtime.tensor_spec import TensorSpec

openvino = pytest.importorskip("openvino")

WEIGHTS = Path(__file__).parents[2] / "weights/edgecnn_weights"
# Sums behind convolutions, behind activations, and squeeze-and-excitation.
CHECKPOINTS = (
    pytest.param("mobilenet_v2-cifar10", marks=pytest.mark.matrix),
    "resnet20-cifar10",
    "mobilenet_v3_small-cifar10",
)
PICTURES = 16


@cache
def captured(name: str) -> tuple[ir.Model, Reference]:
    """The canonical graph, and what PyTorch answers to pictures."""
    path = WEIGHTS / f"{name}.safetensors"
    network, description = (
        build_network(resolve(str(path)), NetworkOptions(quiet=True)),
        read_description(path),
    )
    assert description is not None
    spec = TensorSpec("input", "float32", (None, *network.shape))
    pictures = example_batch(spec, description.preprocess, PICTURES)
    reference = run_module(network.module, [pictures, pictures[:2], pictures[:3]])
    model = capture(network.module, reference, batch=None, opset=18).model
    canonicalise(model)
    return model, reference


def compiled(found: OpenVinoModel) -> Any:
    core = openvino.Core()
    how = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    return core.compile_model(core.read_model(found.xml, found.weights), "CPU", how)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_float_answers_as_pytorch(name: str) -> None:
    model, reference = captured(name)
    run = compiled(write_openvino(model, "fp32"))
    found = difference(
        (expected["logits"], np.array(run({"input": feed})["logits"]))
        for feed, expected in reference.batches
    )
    assert found.relative <= TOLERANCES["fp32"].relative
    assert found.top1_agreement == 1


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_int8_runs_in_integers_and_answers_as_the_quantised_graph(name: str) -> None:
    model, reference = captured(name)
    pictures = reference.batches[0][0]
    config = QuantConfig("fast", weight_bits=OPENVINO_WEIGHT_BITS)
    graph = quantise(model, [picture[None] for picture in pictures], config).model
    run = compiled(write_openvino(graph, "int8"))
    products = [node for node in executed_precisions(run).values() if node.kind in PRODUCTS]
    assert len(products) == sum(node.op_type in ("Conv", "Gemm") for node in graph.graph)
    assert [node for node in products if not node.is_integer] == []
    (expected,) = ValueProbe(graph).stream([pictures])
    found = difference([(expected["logits"], np.array(run(pictures)["logits"]))])
    # Reals on the border between two integers fall to either side, and the layers behind multiply
    # that: ONNX Runtime's own integer kernels are 30 to 55 dB from the graph.
    assert found.sqnr_db > 28
    assert found.top1_agreement >= 1 - 1 / PICTURES


@pytest.mark.parametrize("name", CHECKPOINTS[:2])
def test_int8_rounds_every_sum_as_onnx_runtimes_integer_kernels(name: str) -> None:
    model, reference = captured(name)
    pictures = [picture[None] for picture in reference.batches[0][0]]
    config = QuantConfig("fast", weight_bits=OPENVINO_WEIGHT_BITS)
    graph = quantise(model, pictures, config).model
    run, kernels = compiled(write_openvino(graph, "int8")), ValueProbe(graph, kernels=True)
    found = difference((kernels.run(each)["logits"], run(each)["logits"]) for each in pictures)
    # One integer that is rounded otherwise makes 1e-3 of it: only the last product is in float.
    assert found.relative < 1e-5
