"""Optimisers of a training graph: the next parameters and state from the gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.gradient.emit import Emitter
from edgecnn_runtime.training import FIRST_MOMENT, MOMENTUM, NEXT, SECOND_MOMENT, STEP, Optimiser

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class OptimiserConfig:
    """Optimiser of a training graph, with what is baked into it.

    Attributes:
        momentum: of SGD; 0 keeps no state.
        weight_decay: added to each gradient as ``weight_decay * parameter``.
        learning_rate: default of a step; not in the graph.
    """

    name: Optimiser = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.0
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Update:
    """The next values of a parameter's step in the graph.

    Attributes:
        state: inputs that hold the optimiser's state, zero at the beginning.
        next: the next value of each parameter and state, by its input.
    """

    state: tuple[ir.Value, ...]
    next: Mapping[ir.Value, ir.Value]


def update(
    emit: Emitter,
    config: OptimiserConfig,
    gradients: Mapping[ir.Value, ir.Value],
    rate: ir.Value,
) -> Update:
    """The optimiser's step on every parameter.

    Args:
        gradients: by parameter.
        rate: learning rate, float32, no axes.
    """
    if config.name == "adam":
        return _adam(emit, config, gradients, rate)
    return _sgd(emit, config, gradients, rate)


def _sgd(
    emit: Emitter,
    config: OptimiserConfig,
    gradients: Mapping[ir.Value, ir.Value],
    rate: ir.Value,
) -> Update:
    """Stochastic gradient descent, as ``torch.optim.SGD``.

    ``v <- momentum v + g + weight_decay p``, ``p <- p - rate v``; Sutskever et al. 2013, section 2,
    in PyTorch's form.
    """
    state: list[ir.Value] = []
    following: dict[ir.Value, ir.Value] = {}
    for parameter, raw in gradients.items():
        emit.within(str(parameter.name))
        change = _decayed(emit, config, parameter, raw)
        if config.momentum:
            velocity = like(emit, parameter, MOMENTUM)
            kept = emit("Mul", velocity, config.momentum)
            change = emit("Add", kept, change, name=_next(velocity))
            state.append(velocity)
            following[velocity] = change
        step = emit("Mul", change, rate)
        following[parameter] = emit("Sub", parameter, step, name=_next(parameter))
    return Update(tuple(state), following)


def _adam(
    emit: Emitter,
    config: OptimiserConfig,
    gradients: Mapping[ir.Value, ir.Value],
    rate: ir.Value,
) -> Update:
    """Adam, as ``torch.optim.Adam`` with its defaults; Kingma and Ba 2015, algorithm 1.

    ``m <- b1 m + (1 - b1) g``, ``v <- b2 v + (1 - b2) g^2``,
    ``p <- p - rate / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + epsilon)``.
    """
    step = new_input(emit, STEP, ir.DataType.INT64, ())
    state: list[ir.Value] = [step]
    emit.within("learn.step")
    following = {step: emit("Add", step, np.array(1, np.int64), name=_next(step))}
    count = emit("Cast", following[step], to=int(ir.DataType.DOUBLE))
    rates = emit("Div", emit("Cast", rate, to=int(ir.DataType.DOUBLE)), _left(emit, BETA_1, count))
    scaled_rate = emit("Cast", rates, to=int(ir.DataType.FLOAT))
    root = emit("Sqrt", _left(emit, BETA_2, count))
    correction = emit("Cast", root, to=int(ir.DataType.FLOAT))
    for parameter, raw in gradients.items():
        emit.within(str(parameter.name))
        gradient = _decayed(emit, config, parameter, raw)
        first, second = like(emit, parameter, FIRST_MOMENT), like(emit, parameter, SECOND_MOMENT)
        fresh = emit("Mul", gradient, 1 - BETA_1)
        following[first] = emit("Add", emit("Mul", first, BETA_1), fresh, name=_next(first))
        squared = emit("Mul", emit("Mul", gradient, gradient), 1 - BETA_2)
        following[second] = emit("Add", emit("Mul", second, BETA_2), squared, name=_next(second))
        spread = emit("Div", emit("Sqrt", following[second]), correction)
        change = emit("Div", following[first], emit("Add", spread, EPSILON))
        step_value = emit("Mul", change, scaled_rate)
        following[parameter] = emit("Sub", parameter, step_value, name=_next(parameter))
        state += [first, second]
    return Update(tuple(state), following)


def _left(emit: Emitter, beta: float, count: ir.Value) -> ir.Value:
    """``1 - beta^count`` in double precision: in single, 1 - 0.999 has three digits."""
    power = emit("Pow", np.array(beta, np.float64), count)
    return emit("Sub", np.array(1, np.float64), power)


def _decayed(
    emit: Emitter, config: OptimiserConfig, parameter: ir.Value, gradient: ir.Value
) -> ir.Value:
    if not config.weight_decay:
        return gradient
    return emit("Add", gradient, emit("Mul", parameter, config.weight_decay))


def like(emit: Emitter, value: ir.Value, suffix: str) -> ir.Value:
    """A new float32 input of the graph in the shape of another value, named after it."""
    shape = () if value.shape is None else tuple(value.shape)
    return new_input(emit, f"{value.name}{suffix}", ir.DataType.FLOAT, shape)


def new_input(
    emit: Emitter,
    name: str,
    dtype: ir.DataType,
    shape: tuple[int | ir.SymbolicDim | str | None, ...],
) -> ir.Value:
    """A new input of the graph."""
    value = ir.Value(name=name, type=ir.TensorType(dtype), shape=ir.Shape(shape))
    emit.graph.inputs.append(value)
    return value


def _next(value: ir.Value) -> str:
    return f"{value.name}{NEXT}"
