"""Cause: export semantics, a node whose attributes or weights are not its PyTorch layer's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.diagnose.causes import shapes_of_error
from edgecnn_exporters.diagnose.causes.case import Cause, CauseFinding
from edgecnn_exporters.diagnose.weights import input_of, reals
from edgecnn_exporters.passes.graph import set_constant
from edgecnn_runtime.arrays import Array

if TYPE_CHECKING:
    from torch import nn

# Error ratio of the node after an edit of it.
RatioAfter = Callable[[Callable[[ir.Graph, ir.Node], None]], float]
# Relative spread of the epsilons that the channels' factors give.
AGREE = 0.05


@dataclass(frozen=True)
class TorchLayer:
    """A PyTorch layer that a node computes.

    Attributes:
        path: the module's, from the network's root.
        norm: the batch normalisation that was folded into it, where one was.
    """

    path: str
    module: nn.Module
    norm: nn.Module | None = None


def other_semantics(
    layer: TorchLayer, node: ir.Node, ratio_after: RatioAfter
) -> Iterator[CauseFinding]:
    """Every attribute and number of the node that differs from the layer's, fixed one at a time."""
    for name, wanted in _attributes(layer.module).items():
        actual = _read(node, name)
        if actual is None or actual == wanted:
            continue
        sentence = f"{name} is {_format(actual)}, the layer {layer.path} has {_format(wanted)}"
        fix = f"export with another exporter, or write {name} {_format(wanted)}"

        def edit(graph: ir.Graph, node: ir.Node, name: str = name, wanted: Any = wanted) -> None:
            node.attributes[name] = ir.convenience.convert_attribute(name, wanted)

        yield _finding(sentence, fix, ratio_after(edit), node)
    yield from _operator(layer, node, ratio_after)
    yield from _numbers(layer, node, ratio_after)


def _operator(layer: TorchLayer, node: ir.Node, ratio_after: RatioAfter) -> Iterator[CauseFinding]:
    kind = type(layer.module).__name__
    operator, bounds = OPERATORS.get(kind, (node.op_type, ()))
    if operator == node.op_type:
        return

    def edit(graph: ir.Graph, node: ir.Node) -> None:
        node.op_type = operator
        node.attributes.clear()
        node.resize_inputs(1)
        for index, bound in enumerate(bounds, 1):
            array = np.array(bound, np.float32)
            set_constant(graph, node, index, array, f"{node.name}.{index}.fixed")

    sentence = f"computes {node.op_type}, the layer {layer.path} is {kind}"
    yield _finding(sentence, f"compute {operator} here", ratio_after(edit), node)


def _numbers(layer: TorchLayer, node: ir.Node, ratio_after: RatioAfter) -> Iterator[CauseFinding]:
    wanted = _weights(layer)
    if wanted is None:
        return
    constants = [reals(input_of(node, index)) for index in (1, 2)]
    if constants[0] is None or constants[0].shape != wanted[0].shape:
        return

    def edit(graph: ir.Graph, node: ir.Node) -> None:
        for index, array in enumerate(wanted, 1):
            if array is not None:
                set_constant(graph, node, index, array, f"{node.name}.{index}.fixed")

    epsilon = None if layer.norm is None else _epsilon(layer, wanted[0], constants[0])
    if epsilon is not None:
        own = float(layer.norm.eps)  # type: ignore[union-attr, arg-type]
        sentence = f"batch normalisation was folded with epsilon {epsilon:.3g}, it has {own:.3g}"
    elif not np.allclose(constants[0], wanted[0], rtol=1e-4, atol=1e-7):
        sentence = f"the weight {shapes_of_error.of_weight(wanted[0], constants[0]).words}"
    elif (
        wanted[1] is not None
        and constants[1] is not None
        and wanted[1].shape == constants[1].shape
        and not np.allclose(constants[1], wanted[1], rtol=1e-4, atol=1e-6)
    ):
        sentence = f"the bias {shapes_of_error.of_bias(wanted[1], constants[1]).words}"
    else:
        return
    yield _finding(sentence, "export with another exporter", ratio_after(edit), node)


def _finding(sentence: str, fix: str, ratio: float, node: ir.Node) -> CauseFinding:
    return CauseFinding(
        Cause.EXPORT_SEMANTICS, sentence, fix, ratio, (str(node.name), node.op_type)
    )


def _weights(layer: TorchLayer) -> tuple[Array, Array | None] | None:
    """Weight and bias of a layer, the batch normalisation after it folded in."""
    weight, bias = getattr(layer.module, "weight", None), getattr(layer.module, "bias", None)
    if weight is None or weight.ndim < 2:
        return None
    w = weight.detach().numpy()
    b = None if bias is None else bias.detach().numpy()
    if layer.norm is None:
        return w, b
    gamma, beta, mean, variance = _moments(layer.norm)
    factor = gamma / np.sqrt(variance + layer.norm.eps)
    shift = beta + ((0.0 if b is None else b) - mean) * factor
    scaled = w * factor.reshape(-1, *(1,) * (w.ndim - 1))
    return scaled.astype(np.float32), shift.astype(np.float32)


def _moments(norm: Any) -> tuple[Array, Array, Array, Array]:
    variance = norm.running_var.double().numpy()
    mean = norm.running_mean.double().numpy()
    gamma = np.ones_like(mean) if norm.weight is None else norm.weight.detach().double().numpy()
    beta = np.zeros_like(mean) if norm.bias is None else norm.bias.detach().double().numpy()
    return gamma, beta, mean, variance


def _epsilon(layer: TorchLayer, wanted: Array, actual: Array) -> float | None:
    """Batch normalisation epsilon inferred from a folded weight; None where channels disagree.

    ``W' / W = sqrt((σ² + ε) / (σ² + ε'))``, solved for ε' in each channel.
    """
    rows = wanted.reshape(len(wanted), -1).astype(np.float64)
    others = actual.reshape(rows.shape).astype(np.float64)
    power = np.square(rows).sum(axis=1)
    alive = power > 1e-12
    factor = (rows * others).sum(axis=1)[alive] / power[alive]
    variance, own = _moments(layer.norm)[3][alive], float(layer.norm.eps)  # type: ignore[union-attr, arg-type]
    shown = (variance + own) / np.square(factor) - variance
    middle = float(np.median(shown))
    near = np.abs(shown - middle) <= AGREE * middle + 1e-6 * variance
    return middle if middle > 0 and near.mean() > 0.9 and abs(middle - own) > AGREE * own else None


def _attributes(layer: Any) -> Mapping[str, Any]:
    """Expected attributes of a node, for layers whose arguments have a counterpart."""
    find = LAYERS.get(type(layer).__name__)
    return {} if find is None else find(layer)


def _window(layer: Any) -> dict[str, Any]:
    if isinstance(layer.padding, str):
        return {}
    stride = layer.stride if layer.stride is not None else layer.kernel_size
    return {"strides": _pair(stride), "pads": _pair(layer.padding) * 2}


def _pair(value: Any) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else tuple(value)


LAYERS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "Conv2d": lambda layer: {
        **_window(layer),
        "dilations": _pair(layer.dilation),
        "group": layer.groups,
    },
    "BatchNorm2d": lambda layer: {"epsilon": layer.eps},
    "MaxPool2d": lambda layer: {
        **_window(layer),
        "kernel_shape": _pair(layer.kernel_size),
        "ceil_mode": int(layer.ceil_mode),
    },
    "AvgPool2d": lambda layer: {
        **_window(layer),
        "kernel_shape": _pair(layer.kernel_size),
        "ceil_mode": int(layer.ceil_mode),
        "count_include_pad": int(layer.count_include_pad),
    },
    "LeakyReLU": lambda layer: {"alpha": layer.negative_slope},
    "ELU": lambda layer: {"alpha": layer.alpha},
    "GELU": lambda layer: {"approximate": layer.approximate},
    "Upsample": lambda layer: {
        "coordinate_transformation_mode": "align_corners" if layer.align_corners else "half_pixel"
    },
}
# ONNX operator of each activation, with the bounds of a Clip.
OPERATORS: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "ReLU": ("Relu", ()),
    "ReLU6": ("Clip", (0.0, 6.0)),
    "Hardswish": ("HardSwish", ()),
    "Sigmoid": ("Sigmoid", ()),
    "Tanh": ("Tanh", ()),
}
_DEFAULTS: Mapping[str, Any] = {
    "pads": (0, 0, 0, 0),
    "strides": (1, 1),
    "dilations": (1, 1),
    "group": 1,
    "epsilon": 1e-5,
    "ceil_mode": 0,
    "count_include_pad": 0,
}


def _read(node: ir.Node, name: str) -> Any:
    """The attribute in PyTorch's form; None where the operator has none of that name."""
    if name not in node.attributes:
        return _DEFAULTS.get(name)
    value = node.attributes[name].value
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if value == "pytorch_half_pixel":
        return "half_pixel"
    return tuple(value) if isinstance(value, (list, tuple)) else value


def _format(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
