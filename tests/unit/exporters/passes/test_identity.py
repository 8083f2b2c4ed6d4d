"""Identity nodes go, but for those that give an output a value of its own."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from edgecnn_exporters.passes.identity import RemoveIdentity

X = np.array([-1.0, 2.0], np.float32)


@pytest.mark.parametrize(
    ("body", "outputs", "operators"),
    [
        ("a = Relu (x) b = Identity (a) y = Neg (b)", "y", ["Relu", "Neg"]),
        ("a = Relu (x) y = Identity (a)", "y", ["Relu"]),
        ("y = Identity (x)", "y", ["Identity"]),
        ("y = Relu (x) z = Identity (y)", "y, z", ["Relu", "Identity"]),
        ("a = Relu (x) y = Identity (a) z = Identity (a)", "y, z", ["Relu", "Identity"]),
        ("a = Relu (x) b = Identity (a) y = Identity (b) z = Neg (b)", "y, z", ["Relu", "Neg"]),
    ],
)
def test_every_output_keeps_its_name_and_numbers(
    body: str, outputs: str, operators: list[str]
) -> None:
    declared = ", ".join(f"float[2] {name}" for name in outputs.split(", "))
    text = f'<ir_version: 8, opset_import: ["": 18]> g (float[2] x) => ({declared}) {{ {body} }}'
    proto = onnx.parser.parse_model(text)
    model = ir.from_proto(proto)
    result = RemoveIdentity()(model)
    assert [node.op_type for node in model.graph] == operators
    assert result.modified == (body.count("Identity") > operators.count("Identity"))
    after = ir.to_proto(model)
    onnx.checker.check_model(after, full_check=True)
    assert [output.name for output in after.graph.output] == outputs.split(", ")
    expected = ReferenceEvaluator(proto).run(None, {"x": X})
    for one, other in zip(expected, ReferenceEvaluator(after).run(None, {"x": X}), strict=True):
        np.testing.assert_array_equal(one, other)
