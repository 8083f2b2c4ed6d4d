"""What a bundle says of a classifier's output: logits, or probabilities already."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest

import edgecnn_runtime as edge
from edgecnn_exporters.bundle.requests import Request
from edgecnn_exporters.capture.onnx_source import image_input, read_onnx
from edgecnn_exporters.export import export_onnx
from edgecnn_runtime.manifest import Preprocess

IMAGE = np.full((8, 8, 3), (200, 100, 50), np.uint8)
# Of the two sums of that image's pixels, in [0, 1].
SUMS = IMAGE[0, 0] / 255 @ np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).T
EXPECTED = {
    "y = Flatten (p)": np.exp(SUMS) / np.exp(SUMS).sum(),
    "f = Flatten (p) y = Softmax <axis = 1> (f)": np.exp(SUMS) / np.exp(SUMS).sum(),
    "f = Flatten (p) y = LogSoftmax <axis = 1> (f)": np.exp(SUMS) / np.exp(SUMS).sum(),
    "s = Sigmoid (p) y = Flatten (s)": 1 / (1 + np.exp(-SUMS)),
}


@pytest.mark.parametrize("end", EXPECTED)
def test_a_network_classifies_with_its_own_probability(tmp_path: Path, end: str) -> None:
    model = onnx.parser.parse_model(
        f"""
        <ir_version: 8, opset_import: ["": 18]>
        net (float[N, 3, 8, 8] x) => (float[N, K] y)
        <float[2, 3, 1, 1] w = {{1.0, 2.0, 3.0, 4.0, 5.0, 6.0}}>
        {{ c = Conv (x, w) p = GlobalAveragePool (c) {end} }}
        """
    )
    onnx.save(model, tmp_path / "net.onnx")
    source = read_onnx(tmp_path / "net.onnx")
    unit = Preprocess("RGB", (8, 8), "bilinear", None, 1 / 255, (0.0,) * 3, (1.0,) * 3)
    request = Request("net", image_input(source.model, "net.onnx", None), unit)
    export_onnx(source, request, tmp_path / "net.edge", lambda stage: None)
    with edge.open(tmp_path / "net.edge") as session:
        found = {each.index: each.score for each in session.classify(IMAGE)}
    assert [found[0], found[1]] == pytest.approx(EXPECTED[end].tolist(), rel=1e-4)
