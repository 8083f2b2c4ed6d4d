"""Networks for tests of training artefacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper, numpy_helper

from edgecnn_exporters.passes import canonicalise
from edgecnn_runtime.arrays import Array, Float32

RANDOM = np.random.default_rng(7)


def normal(*shape: int) -> Float32:
    return RANDOM.standard_normal(shape).astype(np.float32)


def images(count: int = 3) -> list[Float32]:
    """Inputs of `small_network`, each of batch 1."""
    generator = np.random.default_rng(1)
    return [generator.standard_normal((1, 3, 8, 8)).astype(np.float32) for _ in range(count)]


def model_of(
    nodes: Sequence[onnx.NodeProto], weights: Mapping[str, Array], outputs: Sequence[str] = ("y",)
) -> ir.Model:
    """A canonical model from ``x`` (N, 3, 8, 8)."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    model = ir.from_proto(proto)
    canonicalise(model)
    return model


def conv(source: str, name: str, output: str, **attributes: object) -> onnx.NodeProto:
    inputs = [source, f"{name}.weight", f"{name}.bias"]
    return helper.make_node("Conv", inputs, [output], name, **attributes)


def small_weights() -> dict[str, Float32]:
    return {
        "first.weight": normal(6, 3, 3, 3) / 4,
        "first.bias": normal(6) / 4,
        "second.weight": normal(6, 6, 1, 1) / 2,
        "second.bias": normal(6) / 4,
        "head.weight": normal(4, 6),
        "head.bias": normal(4),
    }


def small_nodes() -> list[onnx.NodeProto]:
    """Two convolutions with a skip between them, a pool and a head."""
    return [
        conv("x", "first", "a", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        conv("b", "second", "c"),
        helper.make_node("Add", ["b", "c"], ["d"], "add"),
        helper.make_node("Relu", ["d"], ["e"], "relu_1"),
        helper.make_node("GlobalAveragePool", ["e"], ["f"], "pool"),
        helper.make_node("Flatten", ["f"], ["g"], "flatten"),
        helper.make_node("Gemm", ["g", "head.weight", "head.bias"], ["y"], "head", transB=1),
    ]


def small_network() -> ir.Model:
    return model_of(small_nodes(), small_weights())
