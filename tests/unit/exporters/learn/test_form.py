"""Forms of a network for learning: batch normalisation by the statistics of each batch."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import torch
from onnx import helper
from torch import nn
from unit.exporters.learn.support import conv, images, small_nodes, small_weights

from edgecnn_exporters.gradient.optimisers import OptimiserConfig
from edgecnn_exporters.gradient.training_graph import TrainingRequest
from edgecnn_exporters.learn.artefact import training_artefact, unfolded_form
from edgecnn_exporters.learn.build import GOLDEN, GRAPH, VALUES
from edgecnn_exporters.learn.source import LearnSource
from edgecnn_exporters.passes import canonicalise
from edgecnn_runtime.arrays import Float32
from edgecnn_runtime.bundle.safetensors import read_safetensors

NORM = ("gamma", "beta", "mean", "variance")


def normalised() -> ir.Model:
    """`small_network` with a batch normalisation behind its second convolution, as captured."""
    nodes, weights = small_nodes(), small_weights()
    nodes[2] = conv("b", "second", "c0")
    inputs = ["c0", *(f"norm.{name}" for name in NORM)]
    nodes.insert(3, helper.make_node("BatchNormalization", inputs, ["c"], "norm", momentum=0.8))
    generator = np.random.default_rng(2)
    for name in NORM:
        weights[f"norm.{name}"] = generator.uniform(0.5, 1.5, 6).astype(np.float32)
    return captured(nodes, weights)


def captured(nodes: list[onnx.NodeProto], weights: dict[str, Float32]) -> ir.Model:
    """A model as an exporter writes it, not yet canonical."""
    proto = helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3, 8, 8])],
            [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
            [onnx.numpy_helper.from_array(each, name) for name, each in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    return ir.from_proto(proto)


def source_of(request: TrainingRequest) -> LearnSource:
    model = normalised()
    unfolded = unfolded_form(model, request)
    canonicalise(model)
    return LearnSource(model, images(), unfolded)


def test_statistics_of_the_batch_are_those_of_pytorch_in_training() -> None:
    request = TrainingRequest("last:2", normalisation="batch")
    made = training_artefact(source_of(request), request)
    names = [spec.name for spec in made.parameters]
    assert names == [
        *("second.weight", "second.bias", "norm.gamma", "norm.beta"),
        *("head.weight", "head.bias"),
    ]
    assert [spec.name for spec in made.training.statistics] == ["norm.mean", "norm.variance"]
    (norm,) = made.training.folded
    assert (norm.weight, norm.folded_weight) == ("second.weight", "second.weight")
    golden, values = (read_safetensors(made.files[name]) for name in (GOLDEN, VALUES))
    own = {n: torch.tensor(values[n], dtype=torch.float64, requires_grad=True) for n in names}
    graph = onnx.load_from_string(made.files[GRAPH]).graph
    first = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    x = torch.tensor(golden["x"], dtype=torch.float64)
    frozen = [torch.tensor(first[f"first.{n}"], dtype=torch.float64) for n in ("weight", "bias")]
    b = torch.relu(nn.functional.conv2d(x, *frozen, padding=1))
    c = nn.functional.conv2d(b, own["second.weight"], own["second.bias"])
    c = nn.functional.batch_norm(
        c, None, None, own["norm.gamma"], own["norm.beta"], training=True, eps=norm.epsilon
    )
    pooled = torch.relu(b + c).mean((2, 3))
    logits = nn.functional.linear(pooled, own["head.weight"], own["head.bias"])
    nn.functional.cross_entropy(logits, torch.tensor(golden["learn.labels"])).backward()
    for name, value in own.items():
        assert value.grad is not None
        flat = value.grad.numpy().reshape(-1)[golden[f"{name}.index"]]
        np.testing.assert_allclose(golden[f"{name}.gradient"], flat, rtol=1e-4, atol=1e-6)


def test_a_dropout_draws_in_training_alone() -> None:
    nodes = small_nodes()
    nodes.insert(7, helper.make_node("Dropout", ["g", "ratio"], ["h"], "dropout"))
    nodes[8] = helper.make_node("Gemm", ["h", "head.weight", "head.bias"], ["y"], "head", transB=1)
    model = captured(nodes, small_weights() | {"ratio": np.array(0.5, np.float32)})
    request = TrainingRequest("head", normalisation="batch")
    unfolded = unfolded_form(model, request)
    canonicalise(model)
    made = training_artefact(LearnSource(model, images(), unfolded), request)
    assert [(spec.name, spec.shape) for spec in made.training.random] == [("h.random", (None, 6))]
    golden = read_safetensors(made.files[GOLDEN])
    assert golden["h.random"].shape == (3, 6)
    assert made.error.gradient < 1e-5
    # What is dropped of every image changes no row of the head's weight.
    dropped = (golden["h.random"] <= 0.5).all(axis=0)
    gradient = golden["head.weight.gradient"].reshape(4, 6)
    assert (gradient[:, dropped] == 0).all()
    assert (gradient[:, ~dropped] != 0).all()


def test_frozen_statistics_are_folded() -> None:
    request = TrainingRequest("last:2")
    made = training_artefact(source_of(request), request)
    assert [spec.name for spec in made.parameters][:2] == ["second.weight", "second.bias"]
    assert made.training.folded == ()
    assert made.training.normalisation == "frozen"


def test_without_a_normalisation_behind_what_is_learnt_there_are_no_statistics() -> None:
    request = TrainingRequest("head", optimiser=OptimiserConfig("sgd"), normalisation="batch")
    made = training_artefact(source_of(request), request)
    assert made.training.normalisation == "frozen"
    assert made.training.statistics == ()
    operators = {node.op_type for node in onnx.load_from_string(made.files[GRAPH]).graph.node}
    assert "BatchNormalization" not in operators
