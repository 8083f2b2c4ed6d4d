"""Training graphs of small networks, run by ONNX Runtime and compared with PyTorch's autograd."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from edgecnn_exporters.gradient.optimisers import OptimiserConfig
from edgecnn_exporters.gradient.training_graph import TrainingRequest, training_graph
from edgecnn_exporters.passes.shapes import InferShapes
from edgecnn_runtime.arrays import Array

# With plain SGD and this rate, a step's change of a parameter is its gradient.
GRADIENT = OptimiserConfig("sgd")
RATE = 2.0**20


def model_of(
    nodes: Sequence[onnx.NodeProto], weights: Mapping[str, Array], shape: Sequence[int | str]
) -> ir.Model:
    """A model from ``x`` of a shape to ``y``, shapes inferred."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    made = ir.from_proto(model)
    InferShapes()(made)
    return made


def run_step(
    model: ir.Model, request: TrainingRequest, feeds: Mapping[str, Array]
) -> dict[str, Array]:
    """All outputs of the training graph's first step, by name.

    Args:
        feeds: input, labels and rate; what is learnt begins as the graph says, state as zeros.
    """
    made = training_graph(model, request)
    proto = ir.to_proto(made.model)
    onnx.checker.check_model(proto)
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    given: dict[str, Any] = {**made.parameters, **made.statistics, **feeds}
    for value in made.state:
        given[str(value.name)] = np.zeros(value.shape.numpy(), value.dtype.numpy())  # type: ignore[union-attr] # made with both
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(names, given), strict=True))


def gradients_of(
    model: ir.Model, learn: str, x: Array, target: Array
) -> tuple[float, dict[str, Array]]:
    """Loss (mean squared error) and the gradient of each learnt parameter, by ONNX Runtime."""
    request = TrainingRequest(learn, "mean_squared_error", GRADIENT)
    rate = np.array(RATE, np.float32)
    outputs = run_step(model, request, {"x": x, "learn.labels": target, "learn.rate": rate})
    begin = training_graph(model, request).parameters
    changes = {name: (begin[name] - outputs[f"{name}.next"]) / RATE for name in begin}
    return float(outputs["learn.loss"]), changes


def assert_like(
    ours: Array, exact: torch.Tensor, single: torch.Tensor, floor: float = 1e-6
) -> None:
    """As `assert_near`, of tensors."""
    assert_near(ours, exact.detach().numpy(), single.detach().numpy(), floor)


def assert_near(ours: Array, exact: Array, single: Array, floor: float = 1e-6) -> None:
    """Ours is within three times PyTorch's own error in float32 against float64, or the floor.

    Args:
        floor: of the largest value.
    """
    scale = max(float(np.abs(exact).max()), 1e-12)
    own = float(np.abs(single - exact).max())
    error = float(np.abs(ours - exact).max())
    assert error <= max(3 * own, floor * scale), (error / scale, own / scale)
