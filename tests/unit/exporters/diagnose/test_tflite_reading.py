"""A TFLite file, read as an ONNX graph, computes the same and keeps its attributes."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from parity.faults.networks import Built, quantised, segmenter, shipped, tflite

from edgecnn_exporters.diagnose.align import align
from edgecnn_exporters.diagnose.sources import run_onnx
from edgecnn_exporters.diagnose.tflite.candidate import TfliteCandidate
from edgecnn_exporters.diagnose.tflite.graph import read_graph
from edgecnn_exporters.targets.tflite.write import write_tflite

# The networks are built and quantised once, by one worker.
pytestmark = pytest.mark.xdist_group("networks for faults")

NETWORKS = {
    "segmenter": segmenter,
    "lenet5": lambda: shipped("lenet5", "mnist"),
    "mobilenet_v3_small": lambda: shipped("mobilenet_v3_small"),
}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_graph_read_computes_the_same_as_the_file(name: str, precision: str) -> None:
    built: Built = NETWORKS[name]()
    candidate = TfliteCandidate(tflite(built, precision), precision)
    assert candidate.unread == ()
    (read,) = run_onnx(candidate.model, ["logits"], built.feeds)
    run = candidate.values(built.feeds, {"logits"})["logits"]
    largest = float(np.abs(run).max())
    # In 8 bits, differences of a step accumulate; a wrong graph would be wrong by all of it.
    assert np.abs(read - run).max() <= (1e-4 if precision == "fp32" else 0.1) * largest


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_nearly_all_values_are_aligned(precision: str) -> None:
    built = shipped("mobilenet_v3_small")
    reference = built.model if precision == "fp32" else quantised(built)
    model = read_graph(tflite(built, precision)).model
    assert len(align(reference, model)) > 100


def test_explicit_padding_is_read_as_pads_of_the_sum() -> None:
    """PyTorch's symmetric padding at stride 2 is a PAD and a VALID sum in TFLite.

    No window reads the last row of an image with an even height, and the file leaves it out.
    """
    model = read_graph(tflite(shipped("resnet20"), "fp32")).model
    strided = [
        n for n in model.graph if n.op_type == "Conv" and n.attributes["strides"].value == (2, 2)
    ]
    assert strided
    assert {tuple(n.attributes["pads"].value) for n in strided} == {(1, 1, 0, 0)}


def test_columns_behind_a_flatten_are_read_in_the_order_of_onnx() -> None:
    built = shipped("lenet5", "mnist")
    model = read_graph(tflite(built, "fp32")).model
    ours = next(n for n in built.model.graph if n.op_type == "Gemm").inputs[1]
    theirs = next(n for n in model.graph if n.op_type == "Gemm").inputs[1]
    assert ours is not None
    assert theirs is not None
    np.testing.assert_array_equal(theirs.const_value.numpy(), ours.const_value.numpy())  # type: ignore[union-attr]


@pytest.mark.parametrize("width", [8, 5])
def test_the_nearest_pixels_are_read_whichever_centres_the_file_counts_from(width: int) -> None:
    """Twice as wide by half pixels, 5 of 4 by their edges: the two take other pixels."""
    text = f"""<ir_version: 10, opset_import: ["": 18]>
    g (float[1, 2, 4, 4] x) => (float[1, 2, 8, {width}] y)
    <int64[4] s = {{1, 2, 8, {width}}}> {{ y = Resize
    <coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"> (x, , , s) }}"""
    content = write_tflite(ir.from_proto(onnx.parser.parse_model(text))).content
    feeds = {"x": np.arange(32, dtype=np.float32).reshape(1, 2, 4, 4)}
    (read,) = run_onnx(read_graph(content).model, ["y"], feeds)
    ran = TfliteCandidate(content, "fp32").values(feeds, {"y"})["y"]
    np.testing.assert_array_equal(read, ran)
    np.testing.assert_array_equal(ran, feeds["x"].repeat(2, 2)[..., np.arange(width) * 4 // width])
