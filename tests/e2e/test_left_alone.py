"""``edgecnn export -v`` says which nodes the graph passes left alone, and why."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import onnx.parser
import pytest
from e2e.conftest import Run

# Each convolution has a second reader, so that neither norm can be folded into it.
GRAPH = """<ir_version: 8, opset_import: ["": 18]>
 g (float[N, 3, 8, 8] x) => (float[N, 3] y)
 <float[3,3,1,1] w = {1.0, 2.0, 0.5, -1.0, 0.25, 1.5, -0.5, 2.0, 1.0},
  float[3] p = {1.5, 0.5, 2.0}>
 { [stem] a = Conv (x, w) [stem_norm] b = BatchNormalization (a, p, p, p, p) c = Add (a, b)
   [body] d = Conv (c, w) [body_norm] e = BatchNormalization (d, p, p, p, p) f = Add (d, e)
   [pool] h = GlobalAveragePool (f) [flat] y = Flatten (h) }"""


@pytest.fixture
def network(tmp_path: Path) -> Path:
    path = tmp_path / "network.onnx"
    onnx.save(onnx.parser.parse_model(GRAPH), path)
    return path


def test_verbose_counts_equal_reasons_on_stderr(edgecnn: Run, network: Path) -> None:
    ran = edgecnn("export", network, "--preprocess", "unit", "-v", "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["operators"]["BatchNormalization"] == 2
    lines = ran.stderr.splitlines()
    assert lines == [
        "left alone: stem_norm and 1 more: the Conv before it has a second reader (FoldBatchNorm)"
    ]


def test_without_verbose_nothing_is_said_of_it(edgecnn: Run, network: Path) -> None:
    ran = edgecnn("export", network, "--preprocess", "unit")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "left alone" not in ran.stdout
