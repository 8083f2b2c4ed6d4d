from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgecnn_exporters.passes import canonicalise, canonicalise_for_training


def dropped(ratio: float | None, mode: bool | None = None) -> ir.Model:
    """Conv, batch normalisation, Dropout of a ratio, Flatten and Gemm."""
    weights = {
        "w": np.ones((2, 1, 1, 1), np.float32),
        **{name: np.full(2, 0.5, np.float32) for name in ("gamma", "beta", "mean", "variance")},
        "head": np.ones((3, 8), np.float32),
        "ratio": np.array(0.5 if ratio is None else ratio, np.float32),
        "mode": np.array(bool(mode)),
    }
    norm = ["a", "gamma", "beta", "mean", "variance"]
    operands = ["b", "" if ratio is None else "ratio", "" if mode is None else "mode"]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "conv"),
        helper.make_node("BatchNormalization", norm, ["b"], "norm"),
        helper.make_node("Dropout", operands, ["c"], "dropout"),
        helper.make_node("Flatten", ["c"], ["d"], "flatten"),
        helper.make_node("Gemm", ["d", "head"], ["y"], "head", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 2, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opset = helper.make_opsetid("", 18)
    return ir.from_proto(helper.make_model(graph, opset_imports=[opset], ir_version=10))


def operators(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


@pytest.mark.parametrize("ratio", [0.3, None])
def test_the_form_for_training_keeps_dropout_and_batch_normalisation(ratio: float | None) -> None:
    model = dropped(ratio)
    canonicalise_for_training(model)
    kept = ["Conv", "BatchNormalization", "Dropout", "Flatten", "Gemm"]
    assert operators(model) == kept
    node = model.graph.node(2)
    numbers = [float(value.const_value.numpy()) for value in node.inputs[1:]]  # type: ignore[union-attr] # made with both
    assert numbers == [np.float32(ratio or 0.5), 1.0]


def test_a_dropout_of_nothing_goes_from_both_forms() -> None:
    for form in (canonicalise, canonicalise_for_training):
        model = dropped(0.0)
        form(model)
        assert "Dropout" not in operators(model)


def test_the_other_canonical_form_has_neither() -> None:
    model = dropped(0.3)
    canonicalise(model)
    assert operators(model) == ["Conv", "Flatten", "Gemm"]


def test_a_dropout_that_is_on_stays_as_it_is() -> None:
    model = dropped(0.3, mode=True)
    assert "SwitchOnDropout" not in canonicalise_for_training(model).changed
    assert "Dropout" in operators(model)
