from __future__ import annotations

import numpy as np
import onnx.parser
import onnx_ir as ir
import pytest
import torch
from onnx import numpy_helper
from torch.nn.functional import interpolate

from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.passes.shapes import InferShapes


def resized(factors: tuple[float, ...], nodes: str, shape: str = "N, 2, 30, 40") -> ir.Model:
    proto = onnx.parser.parse_model(f"""<ir_version: 10, opset_import: ["": 20]>
    g (float[{shape}] x) => (float[N, C, H, W] y) {{ {nodes} }}""")
    array = np.array(factors, np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(array, "s"))
    return ir.from_proto(proto)


@pytest.mark.parametrize("factor", [1.3, 1.7, 2.6, 0.7])
def test_an_image_resized_by_a_factor_has_pytorchs_size(factor: float) -> None:
    model = resized((1, 1, factor, factor), "y = Resize (x, , s)")
    InferShapes()(model)
    right = interpolate(torch.zeros(1, 2, 30, 40), scale_factor=factor).shape
    assert list(model.graph.outputs[0].shape)[1:] == list(right)[1:]


def test_what_follows_has_the_size_that_follows_and_the_factor_stays() -> None:
    nodes = """r = Resize <axes = [3, 2]> (x, , s) t = Resize <axes = [2, 3]> (r, , s)
    y = Concat <axis = 1> (t, t)"""
    model = resized((1.3, 2.3), nodes)
    InferShapes()(model)
    sizes = [list(node.outputs[0].shape)[1:] for node in model.graph]
    # 30 * 2.3 and 40 * 1.3, then 69 * 1.3 and 52 * 2.3.
    assert sizes == [[2, 69, 52], [2, 89, 119], [4, 89, 119]]
    factors = [constant(node.inputs[2]) for node in model.graph if node.op_type == "Resize"]
    np.testing.assert_array_equal(factors, np.array([[1.3, 2.3]] * 2, np.float32))
    assert set(model.graph.initializers) == {"s"}
