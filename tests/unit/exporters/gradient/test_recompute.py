"""Activations computed again: equal gradients, and less memory in ONNX Runtime's own order."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import helper
from unit.exporters.gradient.support import model_of

from edgecnn_exporters.gradient.cuts import cuts_of
from edgecnn_exporters.gradient.forward_values import forward_values
from edgecnn_exporters.gradient.optimisers import OptimiserConfig
from edgecnn_exporters.gradient.recompute import recompute
from edgecnn_exporters.gradient.training_graph import (
    TrainingGraph,
    TrainingRequest,
    training_graph,
)
from edgecnn_exporters.learn.written import Written, add_ranges
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.training import Normalisation, SeenRange

BLOCKS, CHANNELS, BATCH = 8, 4, 4


def deep_network(batch: int | str = "N") -> ir.Model:
    """Eight blocks of Conv, BatchNormalization and Relu with skips, a Dropout, a head."""
    random = np.random.default_rng(3)

    def normal(*shape: int) -> Array:
        return random.standard_normal(shape).astype(np.float32)

    nodes, weights, before = [], {}, "x"
    for block in range(BLOCKS):
        name = f"block{block}"
        weights[f"{name}.weight"] = normal(CHANNELS, CHANNELS, 3, 3) / 4
        own = {
            f"{name}.gamma": 1 + normal(CHANNELS) / 4,
            f"{name}.beta": normal(CHANNELS),
            f"{name}.mean": normal(CHANNELS),
            f"{name}.variance": 1 + normal(CHANNELS) ** 2,
        }
        weights |= own
        conv = [before, f"{name}.weight"]
        nodes += [
            helper.make_node("Conv", conv, [f"{name}.c"], f"{name}.conv", pads=[1] * 4),
            helper.make_node(
                "BatchNormalization", [f"{name}.c", *own], [f"{name}.n"], f"{name}.norm"
            ),
            helper.make_node("Relu", [f"{name}.n"], [f"{name}.r"], f"{name}.relu"),
            helper.make_node("Add", [before, f"{name}.r"], [f"{name}.s"], f"{name}.add"),
        ]
        before = f"{name}.s"
    weights |= {"ratio": np.array(0.3, np.float32), "head": normal(3, CHANNELS)}
    nodes += [
        helper.make_node("Dropout", [before, "ratio"], ["dropped"], "dropout"),
        helper.make_node("GlobalAveragePool", ["dropped"], ["pooled"], "pool"),
        helper.make_node("Flatten", ["pooled"], ["flat"], "flatten"),
        helper.make_node("Gemm", ["flat", "head"], ["y"], "gemm", transB=1),
    ]
    return model_of(nodes, weights, (batch, CHANNELS, 16, 16))


def made_graph(normalisation: Normalisation, batch: int | str = "N") -> TrainingGraph:
    request = TrainingRequest(
        "all", optimiser=OptimiserConfig("sgd", momentum=0.9), normalisation=normalisation
    )
    return training_graph(deep_network(batch), request)


def cut(made: TrainingGraph, batch: int = BATCH) -> ir.Model:
    """The graph in the most segments."""
    model = made.model.clone()
    forward = forward_values(model, batch)
    recompute(model, forward, cuts_of(forward)[-1].places)
    return model


def step(made: TrainingGraph, model: ir.Model, batch: int = BATCH) -> dict[str, Array]:
    random = np.random.default_rng(5)
    feeds: dict[str, Array] = {**made.parameters, **made.statistics}
    for value in made.state:
        feeds[str(value.name)] = np.zeros(value.shape.numpy(), np.float32)  # type: ignore[union-attr] # made with one
    feeds["x"] = random.standard_normal((batch, CHANNELS, 16, 16)).astype(np.float32)
    feeds["dropped.random"] = random.random((batch, CHANNELS, 16, 16)).astype(np.float32)
    feeds["learn.labels"] = np.arange(batch) % 3
    feeds["learn.rate"] = np.array(0.1, np.float32)
    return run(model, feeds)


def run(model: ir.Model, feeds: Mapping[str, Array]) -> dict[str, Array]:
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_outputs()]
    given = {each.name: feeds[each.name] for each in session.get_inputs()}
    return dict(zip(names, session.run(names, given), strict=True))


@pytest.mark.parametrize("normalisation", ["frozen", "batch"])
@pytest.mark.parametrize("batch", ["N", BATCH])
def test_a_step_with_values_computed_again_gives_the_same_numbers(
    normalisation: Normalisation, batch: int | str
) -> None:
    made = made_graph(normalisation, batch)
    expected, found = step(made, made.model), step(made, cut(made))
    assert list(found) == list(expected)
    assert any(name.endswith("mean.next") for name in found) == (normalisation == "batch")
    for name, array in expected.items():
        scale = np.abs(array).max()
        np.testing.assert_allclose(found[name], array, rtol=0, atol=2e-5 * scale, err_msg=name)


def test_ranges_of_activations_are_those_of_the_one_forward_pass() -> None:
    made = made_graph("frozen")
    ranges = tuple(SeenRange(f"block{n}.r", "scale", "zero_point") for n in (0, BLOCKS - 1))
    add_ranges(made.model, Written(ranges=ranges))
    expected, found = step(made, made.model), step(made, cut(made))
    for seen in ranges:
        name = f"{seen.value}.range"
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)


@pytest.mark.parametrize("batch", ["N", BATCH])
def test_onnx_runtime_keeps_the_copies_apart(batch: int | str, tmp_path: object) -> None:
    made = made_graph("batch", batch)
    plain, again = (operators(model, f"{tmp_path}/m.onnx") for model in (made.model, cut(made)))
    # Of eight convolutions those of the segments before the last are there twice.
    assert again.count("conv") >= plain.count("conv") + BLOCKS // 2


def operators(model: ir.Model, path: str) -> list[str]:
    """Of the graph that ONNX Runtime runs; forward convolutions in any form are ``conv``."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = path
    options.log_severity_level = 4
    onnxruntime.InferenceSession(
        ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    graph = onnx.load(path).graph
    forms = {"Conv", "FusedConv", "ConvTranspose"}
    return ["conv" if node.op_type in forms else node.op_type for node in graph.node]


def test_fewer_bytes_are_kept_with_each_further_cut() -> None:
    made = made_graph("batch")
    forward = forward_values(made.model.clone(), BATCH)
    estimates = [cuts.estimate for cuts in cuts_of(forward)]
    assert estimates == sorted(estimates, reverse=True)
    # Each block keeps c, n's Relu and its sum; at the square root of 8 segments half is left.
    assert estimates[0] == forward.total
    assert estimates[-1] < 0.6 * forward.total
