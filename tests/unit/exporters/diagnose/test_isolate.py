"""Isolation: each node computes from given values, not from the node before it."""

from __future__ import annotations

import numpy as np
from unit.exporters.diagnose.support import QDQ, chain, parse, pictures

from edgecnn_exporters.diagnose.align import points_of
from edgecnn_exporters.diagnose.isolate import cut, inputs_of, region, without
from edgecnn_exporters.diagnose.sources import reference_values, run_onnx


def test_a_node_computes_from_the_given_values() -> None:
    model, feeds = chain(), {"input": pictures()}
    points = points_of(model)
    values = reference_values(model, feeds, set(points))
    values["relu"] = np.full_like(values["relu"], 7.0)  # no predecessor computes this
    parts = cut(model, points, values)
    outputs = dict(
        zip(
            parts.outputs,
            run_onnx(parts.model, list(parts.outputs.values()), parts.feeds(values)),
            strict=True,
        )
    )
    np.testing.assert_allclose(outputs["pool"], 7.0)
    np.testing.assert_allclose(
        outputs["relu"], reference_values(model, feeds, {"relu"})["relu"], rtol=1e-6
    )


def test_the_graph_that_is_cut_stays_as_it_is() -> None:
    model = chain()
    values = reference_values(model, {"input": pictures()}, set(points_of(model)))
    cut(model, points_of(model), values)
    assert [node.op_type for node in model.graph] == [
        "Conv",
        "Relu",
        "GlobalAveragePool",
        "Flatten",
        "Gemm",
    ]
    assert [value.name for value in model.graph.inputs] == ["input"]


def test_readers_of_a_value_in_8_bits_quantise_what_they_are_given() -> None:
    model = parse(QDQ)
    points = points_of(model)
    values = {name: np.full((1, 2, 4, 4), 0.3, np.float32) for name in points}
    parts = cut(model, points, values)
    (output,) = run_onnx(parts.model, [parts.outputs["output"]], parts.feeds(values))
    np.testing.assert_allclose(output, -0.25)  # 0.3 in steps of 0.25


def test_a_region_has_the_nodes_between_two_cut_points() -> None:
    model = chain()
    points = points_of(model)
    values = reference_values(model, {"input": pictures()}, set(points))
    parts = cut(model, points, values)
    assert [node.op_type for node in region(parts, "relu").graph] == ["Conv", "Relu"]
    assert inputs_of(parts, "relu") == ["input"]
    wider = cut(model, without(points, {"relu"}), values)
    assert [node.op_type for node in region(wider, "pool").graph] == [
        "Conv",
        "Relu",
        "GlobalAveragePool",
    ]
