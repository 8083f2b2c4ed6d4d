"""Vector-Jacobian products of single ONNX nodes: by their rule, by PyTorch, and by differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from edgecnn_exporters.gradient.differentiate import differentiate
from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_exporters.passes.shapes import InferShapes
from edgecnn_runtime.arrays import Array

RANDOM = np.random.default_rng(11)
# Steps of central differences, whose own error is about the square: of references in double
# precision, and of those that round to float32 inside.
STEP, SINGLE_STEP = 1e-5, 1e-2


@dataclass(frozen=True)
class Case:
    """A node, what it reads, and the same function in PyTorch.

    Attributes:
        inputs: what is differentiated (float32), and None or constants (`Fixed`), in order.
        torch: of the differentiated inputs; gives one tensor, or a tuple of all outputs.
        outputs: number of outputs.
        read: of the outputs, those that lead to the loss; None for all.
        has_reference: whether onnx's own evaluator computes the node, and it has a gradient there.
        dynamic: whether the first axis may be of any size.
        rounds: whether that evaluator rounds to float32 inside.
    """

    name: str
    operator: str
    inputs: Sequence[Array | Fixed | None]
    torch: Callable[..., Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 1
    read: tuple[int, ...] | None = None
    opset: int = 18
    has_reference: bool = True
    rounds: bool = False
    dynamic: bool = True

    @property
    def wanted(self) -> list[int]:
        return [i for i, each in enumerate(self.inputs) if isinstance(each, np.ndarray)]

    @property
    def reads(self) -> list[int]:
        """Outputs that lead to the loss."""
        return list(range(self.outputs)) if self.read is None else list(self.read)

    @property
    def arrays(self) -> list[Array]:
        return [each for each in self.inputs if isinstance(each, np.ndarray)]


@dataclass(frozen=True)
class Fixed:
    """A constant operand."""

    array: Array


def fixed(*numbers: int) -> Fixed:
    """Constant integers of one axis."""
    return Fixed(np.array(numbers, np.int64))


def single(number: float) -> Fixed:
    """A constant float of no axes."""
    return Fixed(np.array(number, np.float32))


def normal(*shape: int) -> Array:
    return RANDOM.standard_normal(shape).astype(np.float32)


def away(*shape: int, kinks: Sequence[float] = (0.0,), width: float = 3.0) -> Array:
    """Uniform numbers at least 0.05 from every kink."""
    made = RANDOM.uniform(-width, width, shape)
    for kink in kinks:
        near = np.abs(made - kink) < 0.05
        made = np.where(near, kink + np.where(made >= kink, 0.06, -0.06), made)
    return made.astype(np.float32)


def positive(*shape: int) -> Array:
    return RANDOM.uniform(0.3, 2.0, shape).astype(np.float32)


def apart(*shape: int) -> Array:
    """Numbers that differ by at least 0.05 each, in random order."""
    count = int(np.prod(shape))
    made = RANDOM.permutation(count) * 0.1 - count * 0.05 + 0.025
    return made.reshape(shape).astype(np.float32)


def model_of_case(case: Case, *, dtype: int, dynamic: bool) -> onnx.ModelProto:
    """The node alone: differentiated inputs are inputs of the graph."""
    names = ["" if each is None else f"x{i}" for i, each in enumerate(case.inputs)]
    outputs = [f"y{i}" for i in range(case.outputs)]
    node = helper.make_node(case.operator, names, outputs, "node", **case.attributes)
    inputs, constants = [], []
    first = case.arrays[0].shape
    for name, each in zip(names, case.inputs, strict=True):
        if isinstance(each, Fixed):
            array = each.array
            if array.dtype == np.float32 and case.operator != "Resize":
                array = array.astype(helper.tensor_dtype_to_np_dtype(dtype))
            constants.append(numpy_helper.from_array(array, name))
        elif each is not None:
            shape: list[int | str] = list(each.shape)
            if (
                dynamic
                and case.dynamic
                and first[:1] != (1,)
                and len(shape) == len(first)
                and shape[0] == first[0]
            ):
                shape[0] = "N"
            inputs.append(helper.make_tensor_value_info(name, dtype, shape))
    made = [helper.make_tensor_value_info(name, dtype, None) for name in outputs]
    graph = helper.make_graph([node], "g", inputs, made, constants)
    opset = helper.make_opsetid("", case.opset)
    return helper.make_model(graph, opset_imports=[opset], ir_version=10)


def backward_model(case: Case, *, dynamic: bool) -> onnx.ModelProto:
    """The node and its backward pass: outputs dx0, … and y0, … of the inputs x0, … and dy0, …"""
    model = ir.from_proto(model_of_case(case, dtype=TensorProto.FLOAT, dynamic=dynamic))
    InferShapes()(model)
    graph = model.graph
    parameters = list(graph.inputs)
    results, seeds = list(graph.outputs), {}
    for index in case.reads:
        value = results[index]
        if value.shape is None:  # onnx infers none of GroupNormalization
            value.shape = parameters[0].shape
        seed = ir.Value(name=f"d{value.name}", type=value.type, shape=value.shape)
        seeds[value] = seed
    graph.inputs.extend(seeds.values())
    gradients = differentiate(graph, seeds, parameters, Emitter(graph))
    del graph.outputs[:]
    for parameter in parameters:
        made = ir.node("Identity", [gradients[parameter]])
        made.outputs[0].name = f"d{parameter.name}"
        made.outputs[0].type, made.outputs[0].shape = parameter.type, parameter.shape
        graph.append(made)
        graph.outputs.append(made.outputs[0])
    graph.outputs.extend(results)
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def by_rule(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> list[Array]:
    """The gradients and results, by ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    made: list[Array] = session.run(None, dict(feeds))
    return made


def torch_results(case: Case, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    made = case.torch(*tensors)
    return list(made) if isinstance(made, tuple | list) else [made]


def by_torch(
    case: Case, arrays: Sequence[Array], upstream: Sequence[Array], dtype: torch.dtype
) -> list[Array]:
    """The gradients, by PyTorch's autograd."""
    tensors = [torch.tensor(each, dtype=dtype, requires_grad=True) for each in arrays]
    results = torch_results(case, tensors)
    total = sum(
        (results[index] * torch.tensor(each, dtype=dtype)).sum()
        for index, each in zip(case.reads, upstream, strict=True)
    )
    made = torch.autograd.grad(total, tensors, allow_unused=True)
    return [
        (torch.zeros_like(own) if each is None else each).numpy()
        for own, each in zip(tensors, made, strict=True)
    ]


def by_differences(
    case: Case, upstream: Sequence[Array], directions: Sequence[Array]
) -> list[float]:
    """Central differences of ONNX's own node in double precision along one direction an input."""
    evaluator = ReferenceEvaluator(model_of_case(case, dtype=TensorProto.DOUBLE, dynamic=False))
    arrays = [each.astype(np.float64) for each in case.arrays]
    names = [f"x{index}" for index in case.wanted]

    def loss(place: int, step: float) -> float:
        moved = [
            array + step * directions[i] if i == place else array for i, array in enumerate(arrays)
        ]
        results = evaluator.run(None, dict(zip(names, moved, strict=True)))
        return float(
            sum(
                np.sum(np.asarray(results[index], np.float64) * each)
                for index, each in zip(case.reads, upstream, strict=True)
            )
        )

    step = SINGLE_STEP if case.rounds else STEP
    return [(loss(i, step) - loss(i, -step)) / (2 * step) for i in range(len(arrays))]
