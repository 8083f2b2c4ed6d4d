"""OpenVINO files read back as ONNX graphs."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from parity.faults.probe import float_graph, inputs, quantised_graph

from edgecnn_exporters.diagnose.align import points_of
from edgecnn_exporters.diagnose.openvino_candidate import OpenVinoCandidate
from edgecnn_exporters.diagnose.sources import run_onnx
from edgecnn_exporters.passes.graph import is_quantised
from edgecnn_exporters.targets.openvino.write import OpenVinoModel, write_openvino

GRAPHS = {"fp32": float_graph, "int8": quantised_graph}


def opened(precision: str, written: OpenVinoModel | None = None) -> OpenVinoCandidate:
    graph = GRAPHS[precision]()
    written = written or write_openvino(graph, precision)  # type: ignore[arg-type]
    return OpenVinoCandidate(written.xml, written.weights, graph, precision)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_file_computes_what_its_graph_computes(precision: str) -> None:
    candidate, feeds = opened(precision), {"input": inputs(3)}
    assert candidate.content is not candidate.model
    (expected,) = run_onnx(candidate.model, ["scores"], feeds)
    (actual,) = run_onnx(candidate.content, ["scores"], feeds)
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_a_file_in_8_bits_is_read_with_the_encodings_of_its_graph() -> None:
    candidate = opened("int8")
    assert is_quantised(candidate.content)
    own, read = points_of(candidate.model), points_of(candidate.content)
    encoded = [name for name, point in own.items() if point.encoding is not None]
    assert len(encoded) > 12
    for name in encoded:
        assert read[name].encoding == own[name].encoding, name


def test_the_sums_of_a_file_in_8_bits_have_their_integers() -> None:
    weights = [
        node.inputs[1].producer()  # type: ignore[union-attr]
        for node in opened("int8").content.graph
        if node.op_type == "Conv"
    ]
    assert len(weights) == 8
    assert all(node is not None and node.op_type == "DequantizeLinear" for node in weights)


def test_a_file_with_an_operator_that_is_not_translated_runs_as_it_is() -> None:
    written = write_openvino(float_graph(), "fp32")
    other = written.xml.replace(
        b'type="SoftMax" version="opset8"', b'type="LogSoftmax" version="opset5"'
    )
    candidate = opened("fp32", OpenVinoModel(other, written.weights))
    assert candidate.content is candidate.model
    assert candidate.values({"input": inputs(1)}, {"gate"})["gate"].max() <= 0


def test_a_scale_that_the_file_holds_is_read_from_it() -> None:
    written = write_openvino(quantised_graph(), "int8")
    point = points_of(quantised_graph())["pool"]
    assert point.encoding is not None
    end = np.float32(point.encoding.range[1]).tobytes()
    twice = (np.float32(2) * np.float32(point.encoding.range[1])).tobytes()
    assert end in written.weights
    weights = written.weights.replace(end, twice)
    read = points_of(opened("int8", OpenVinoModel(written.xml, weights)).content)["pool"]
    assert read.encoding is not None
    assert read.encoding.scale == pytest.approx(2 * point.encoding.scale, rel=1e-5)


def test_reading_leaves_the_graph_as_it_is() -> None:
    graph = float_graph()
    before = ir.to_proto(graph).SerializeToString()
    assert opened("fp32").content is not graph
    assert ir.to_proto(graph).SerializeToString() == before
