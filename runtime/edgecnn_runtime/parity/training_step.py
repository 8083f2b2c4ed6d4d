"""First step of a training graph in ONNX Runtime, and its error against a golden step.

docs/learning.md has the names. A gradient is read off the optimiser's state, which begins as zeros,
or off the parameter's change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from edgecnn_runtime.arrays import Array, Float64
from edgecnn_runtime.bundle.training.golden_step import GoldenStep
from edgecnn_runtime.engines.onnxruntime import (
    open_session,
    session_options,
    unoptimised_options,
)
from edgecnn_runtime.errors import EngineError, first_line
from edgecnn_runtime.training import (
    FIRST_MOMENT,
    GRADIENT_NORM,
    LABELS,
    LOSS,
    MOMENTUM,
    NEXT,
    RATE,
    STEP,
    Training,
)

# Learning rate by which SGD without state shows its gradient: a parameter counts nothing beside it.
LARGE_RATE = 2.0**30
ADAM_FRESH = 1 - 0.9
# Errors of smaller gradients are shares of this share of the largest norm of a parameter's. What a
# batch normalisation behind it takes away, as a bias, has a gradient of zero, and rounding gives
# 2e-8 of that norm (MobileNetV2, ONNX Runtime 1.32).
LEAST_SHARE = 1e-4
LEAST_NORM = 1e-30
# Of the norm over all parameters: ONNX Runtime adds the squares in single precision, of a million
# numbers with an error of 2e-4 (MobileNetV2's head, ONNX Runtime 1.32).
NORM_ROUNDING = 0.05


@dataclass(frozen=True)
class StepError:
    """Error of a training graph's first step.

    Attributes:
        gradient: of the worst parameter, as a share of its largest gradient; infinite where one is
            not finite.
        parameter: its name.
        loss: as a share of the loss, or of 1 where that is less.
    """

    gradient: float
    parameter: str
    loss: float


def first_step(
    graph: bytes,
    training: Training,
    golden: GoldenStep,
    values: Mapping[str, Array],
    *,
    is_optimised: bool = True,
) -> dict[str, Array]:
    """All outputs of a step from a fresh state, by name.

    Args:
        graph: the training graph, checked already.
        values: parameters and statistics, from which the golden step begins.
        is_optimised: False computes each node by itself.

    Raises:
        EngineError: ONNX Runtime refuses the graph or fails, or an input of it is unknown.
    """
    state = {spec.name: _fresh(spec.name, values) for spec in training.state}
    known = {**values, **state, **golden.feeds, LABELS: golden.labels}
    known[RATE] = np.array(LARGE_RATE, np.float32)
    try:
        options = session_options() if is_optimised else unoptimised_options()
        session = open_session(graph, options)
        feeds = {each.name: known[each.name] for each in session.get_inputs()}
        names = [each.name for each in session.get_outputs()]
        return dict(zip(names, session.run(names, feeds), strict=True))
    except KeyError as error:
        raise EngineError(f"the training graph reads {error}, which no file has") from error
    except Exception as error:  # onnxruntime's exceptions share no narrower base
        raise EngineError(
            f"onnxruntime fails at the training graph: {first_line(error)}"
        ) from error


def _fresh(name: str, values: Mapping[str, Array]) -> Array:
    """State of an optimiser before its first step: zeros of the parameter's shape."""
    if name == STEP:
        return np.zeros((), np.int64)
    return np.zeros(values[name.rpartition(".")[0]].shape, np.float32)


def gradient_of(
    name: str, training: Training, values: Mapping[str, Array], outputs: Mapping[str, Array]
) -> Float64:
    """The gradient of a parameter, of its shape, from the outputs of a first step."""
    before = values[name].astype(np.float64)
    if training.optimiser == "adam":
        change = outputs[f"{name}{FIRST_MOMENT}{NEXT}"].astype(np.float64) / ADAM_FRESH
    elif training.momentum:
        change = outputs[f"{name}{MOMENTUM}{NEXT}"].astype(np.float64)
    else:
        change = (before - outputs[f"{name}{NEXT}"].astype(np.float64)) / LARGE_RATE
    gradient: Float64 = change - training.weight_decay * before
    return gradient


def step_error(
    training: Training,
    golden: GoldenStep,
    values: Mapping[str, Array],
    outputs: Mapping[str, Array],
) -> StepError:
    """Error of a first step against the golden one.

    Args:
        values: parameters, from which the golden step begins.
        outputs: of `first_step`.

    Raises:
        KeyError: an output is missing.
        ValueError: an output has another shape.
    """
    errors = dict(_errors(training, golden, values, outputs))
    worst = max(errors, key=lambda name: errors[name])
    loss = abs(float(outputs[LOSS]) - golden.loss) / max(abs(golden.loss), 1.0)
    norms = np.array([each.norm for each in golden.gradients.values()], np.float64)
    norm = float(np.linalg.norm(norms))
    whole = abs(float(outputs[GRADIENT_NORM]) - norm) / max(norm, LEAST_NORM)
    if _finite(whole) > max(errors[worst], NORM_ROUNDING):
        return StepError(_finite(whole), GRADIENT_NORM, _finite(loss))
    return StepError(errors[worst], worst, _finite(loss))


def _errors(
    training: Training,
    golden: GoldenStep,
    values: Mapping[str, Array],
    outputs: Mapping[str, Array],
) -> Iterator[tuple[str, float]]:
    """The error of each parameter's gradient, at its positions and of its norm."""
    largest_norm = max(each.norm for each in golden.gradients.values())
    floor = max(LEAST_SHARE * largest_norm, LEAST_NORM)
    for name, expected in golden.gradients.items():
        gradient = gradient_of(name, training, values, outputs)
        own = gradient.reshape(-1)[expected.index]
        largest = max(float(np.abs(expected.gradient).max(initial=0.0)), floor)
        by_element = float(np.abs(own - expected.gradient).max(initial=0.0)) / largest
        by_norm = abs(float(np.linalg.norm(gradient)) - expected.norm) / max(expected.norm, floor)
        yield name, max(_finite(by_element), _finite(by_norm))


def _finite(error: float) -> float:
    """The error; infinite where it is NaN, which compares with nothing."""
    return float("inf") if np.isnan(error) else error
