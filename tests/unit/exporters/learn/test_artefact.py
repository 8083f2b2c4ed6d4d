"""Training artefacts: what is in them, and that a wrong graph is not written."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch.nn import functional
from unit.exporters.learn.support import (
    conv,
    images,
    model_of,
    normal,
    small_network,
    small_nodes,
    small_weights,
)

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.gradient.optimisers import OptimiserConfig
from edgecnn_exporters.gradient.table import RULES
from edgecnn_exporters.gradient.training_graph import TrainingRequest
from edgecnn_exporters.learn.artefact import check_learnable, training_artefact
from edgecnn_exporters.learn.build import GOLDEN, GRAPH, VALUES
from edgecnn_exporters.learn.source import LearnSource
from edgecnn_exporters.learn.torch_forms import DIFFERENTIABLE
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_runtime.bundle.safetensors import read_safetensors


@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared_error", "binary_cross_entropy"])
@pytest.mark.parametrize(
    "optimiser",
    [
        OptimiserConfig("adam"),
        OptimiserConfig("sgd", weight_decay=0.1),
        OptimiserConfig("sgd", momentum=0.9, weight_decay=0.1),
    ],
)
def test_a_step_is_proven_for_every_loss_and_optimiser(
    loss: str, optimiser: OptimiserConfig
) -> None:
    request = TrainingRequest("all", loss, optimiser)  # type: ignore[arg-type] # names of losses
    made = training_artefact(LearnSource(small_network(), images()), request)
    assert made.error.gradient < 1e-5
    assert made.error.loss < 1e-6
    assert [spec.name for spec in made.parameters] == list(small_weights())
    assert set(read_safetensors(made.files[VALUES])) == set(small_weights())


def test_the_golden_gradients_are_those_of_the_network_in_pytorch() -> None:
    model = small_network()
    weights = {
        name: torch.tensor(value.const_value.numpy(), dtype=torch.float64, requires_grad=True)  # type: ignore[union-attr] # initialisers
        for name, value in model.graph.initializers.items()
    }
    made = training_artefact(LearnSource(model, images()), TrainingRequest("all"))
    golden = read_safetensors(made.files[GOLDEN])
    x = torch.tensor(golden["x"], dtype=torch.float64)
    b = functional.relu(
        functional.conv2d(x, weights["first.weight"], weights["first.bias"], padding=1)
    )
    c = functional.conv2d(b, weights["second.weight"], weights["second.bias"])
    pooled = functional.relu(b + c).mean((2, 3))
    logits = functional.linear(pooled, weights["head.weight"], weights["head.bias"])
    loss = functional.cross_entropy(logits, torch.tensor(golden["learn.labels"]))
    loss.backward()
    assert float(golden["learn.loss"]) == pytest.approx(float(loss.detach()), rel=1e-6)
    for name, weight in weights.items():
        assert weight.grad is not None
        gradient = weight.grad.numpy().reshape(-1)
        index = golden[f"{name}.index"]
        np.testing.assert_allclose(
            golden[f"{name}.gradient"], gradient[index], rtol=1e-4, atol=1e-7
        )
        assert float(golden[f"{name}.norm"]) == pytest.approx(
            float(np.linalg.norm(gradient)), rel=1e-4
        )


def test_the_number_of_classes_is_open_where_the_head_has_them_first() -> None:
    made = training_artefact(LearnSource(small_network(), images()), TrainingRequest("all"))
    head = made.training.head
    assert head is not None
    assert (head.weight, head.bias) == ("head.weight", "head.bias")
    graph = onnx.load_from_string(made.files[GRAPH]).graph
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in graph.input
    }
    assert shapes["head.weight"] == ["classes", 6]
    assert shapes["head.weight.first_moment"] == ["classes", 6]
    assert shapes["first.weight"] == [6, 3, 3, 3]


def test_classes_are_fixed_where_a_reshape_names_their_number() -> None:
    weights = small_weights() | {"shape": np.array([-1, 2, 2]), "flat": np.array([-1, 4])}
    own = {name: weights[name] for name in ("head.weight", "head.bias", "shape", "flat")}
    nodes = [
        onnx.helper.make_node("Slice", ["x", "begin", "end", "axes"], ["s"], "slice"),
        onnx.helper.make_node("Flatten", ["s"], ["a"], "flatten"),
        onnx.helper.make_node("Gemm", ["a", "head.weight", "head.bias"], ["b"], "head", transB=1),
        onnx.helper.make_node("Reshape", ["b", "shape"], ["c"], "reshape"),
        onnx.helper.make_node("Tanh", ["c"], ["d"], "tanh"),
        onnx.helper.make_node("Reshape", ["d", "flat"], ["y"], "reshape_1"),
    ]
    sizes = {"begin": np.array([0, 0, 0]), "end": np.array([1, 1, 6]), "axes": np.array([1, 2, 3])}
    made = training_artefact(
        LearnSource(model_of(nodes, own | sizes), images()), TrainingRequest("head")
    )
    assert made.training.head is None
    assert made.notes == (
        "its classes stay, head (Gemm) is followed by what depends on their number: to learn "
        "others, end the network in torch.nn.Linear",
    )


def test_a_convolution_of_the_classes_keeps_them_and_the_note_says_so() -> None:
    weights = small_weights() | {"last.weight": normal(4, 6, 1, 1), "last.bias": normal(4)}
    nodes = [
        *small_nodes()[:5],
        conv("e", "last", "f"),
        onnx.helper.make_node("GlobalAveragePool", ["f"], ["g"], "pool"),
        onnx.helper.make_node("Flatten", ["g"], ["y"], "flatten"),
    ]
    own = {name: array for name, array in weights.items() if not name.startswith("head")}
    source = LearnSource(model_of(nodes, own), images())
    made = training_artefact(source, TrainingRequest("head"))
    assert [spec.name for spec in made.parameters] == ["last.weight", "last.bias"]
    assert made.training.head is None
    assert made.notes == (
        "its classes stay, last (Conv) is no linear layer: to learn others, end the network in "
        "torch.nn.Linear",
    )
    assert training_artefact(source, TrainingRequest("first")).notes == ()


def test_frozen_layers_are_those_of_the_int8_graph_whatever_crosses() -> None:
    model = small_network()
    state = quantise(model, images(12)).state
    made = training_artefact(
        LearnSource(model, images(), quantised=state), TrainingRequest("last:2")
    )
    assert made.training.backbone == "int8"
    assert made.notes == ()
    operators = [node.op_type for node in onnx.load_from_string(made.files[GRAPH]).graph.node]
    assert operators.count("QuantizeLinear") > 0
    # Both operands of the sum come from frozen values: the skip, and what the convolution reads.
    assert [layer.weight for layer in made.training.quantised] == ["second.weight", "head.weight"]
    assert made.training.is_int8_written
    names = set(qdq_initialisers(state.qdq))
    for layer in made.training.quantised:
        assert {f"{layer.weight}.quantised", f"{layer.bias}.quantised", layer.input_scale} <= names
    for seen in made.training.ranges:
        assert {seen.scale, seen.zero_point} <= names
    assert {seen.value for seen in made.training.ranges} >= {"e"}


def qdq_initialisers(model: object) -> list[str]:
    return list(model.graph.initializers)  # type: ignore[attr-defined] # an ir.Model


def test_a_range_is_the_least_and_greatest_of_the_batch() -> None:
    model = small_network()
    source = LearnSource(model, images(), quantised=quantise(model, images(12)).state)
    made = training_artefact(source, TrainingRequest("last:2", optimiser=OptimiserConfig("sgd")))
    graph = onnx.load_from_string(made.files[GRAPH])
    seen = [each.value for each in made.training.ranges]
    graph.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in seen)
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    known = {**read_safetensors(made.files[GOLDEN]), **read_safetensors(made.files[VALUES])}
    known["learn.rate"] = np.array(0, np.float32)
    feeds = {each.name: known[each.name] for each in session.get_inputs()}
    for name in seen:
        value, interval = session.run([name, f"{name}.range"], feeds)
        assert interval.tolist() == [value.min(), value.max()]


def test_a_quantised_network_is_refused() -> None:
    qdq = quantise(small_network(), images(12)).state.qdq
    with pytest.raises(UnsupportedModel, match="quantised already, and only float weights"):
        check_learnable(qdq, None, TrainingRequest("head"))


def test_a_loss_that_does_not_fit_is_refused() -> None:
    nodes = [conv("x", "first", "y")]
    weights = {name: small_weights()[name] for name in ("first.weight", "first.bias")}
    with pytest.raises(UnsupportedModel, match="take --loss mean_squared_error"):
        check_learnable(model_of(nodes, weights), None, TrainingRequest("head"))


def test_every_operator_with_a_rule_has_a_form_in_pytorch() -> None:
    # Dropout is a product with a mask by then.
    assert set(RULES) - DIFFERENTIABLE <= {"Dropout"}
