"""Panels of a pooling's gradient: a whole channel, and a few of its windows with numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgecnn.backpropagation.gradient import PoolingGradient
from edgecnn.report.plots.equation import Equation
from edgecnn.report.plots.heat_map import Frame, HeatMap
from edgecnn_runtime.arrays import Int64

# Outputs along each side of the part with numbers.
ENLARGED = 3
TITLES = ("$X_c$", "$Y_c$", r"$\partial L/\partial Y_c$", r"$\partial L/\partial X_c$")
MAX_RULE = (
    "Max pooling: each number goes to the largest of its window alone, of equals to the first"
)
AVERAGE_RULE = "Average pooling: each number goes to its window in equal shares"
OPERATORS = ("→", "", "→")


def pooling_equations(gradient: PoolingGradient) -> tuple[Equation, ...]:
    """The whole channel, and its part around the largest number where it is not the whole."""
    is_max = gradient.places is not None
    heading = MAX_RULE if is_max else AVERAGE_RULE
    outputs, inputs = _part(gradient)
    frames = (inputs, outputs, outputs, inputs)
    whole = tuple(array[gradient.channel] for array in _arrays(gradient))
    parts = tuple(_cut(array, frame) for array, frame in zip(whole, frames, strict=True))
    note = "adds up where windows overlap" if _overlaps(gradient) else ""
    windows, marked = _windows(gradient, outputs, inputs), _marked(gradient, outputs, inputs)
    enlarged = (
        HeatMap(TITLES[0], parts[0], frames=windows, marked=marked),
        HeatMap(TITLES[1], parts[1]),
        HeatMap(TITLES[2], parts[2]),
        HeatMap(TITLES[3], parts[3], frames=windows, marked=marked, note=note),
    )
    if parts[0].shape == whole[0].shape:
        return (Equation(heading, enlarged, OPERATORS),)
    panels = tuple(
        HeatMap(title, array, frames=(frame,))
        for title, array, frame in zip(TITLES, whole, frames, strict=True)
    )
    words = "The framed part and its windows" + (", the largest of each outlined" if is_max else "")
    return Equation(heading, panels, OPERATORS), Equation(words, enlarged, OPERATORS)


def _arrays(gradient: PoolingGradient) -> tuple[Any, ...]:
    return gradient.input, gradient.output, gradient.output_gradient, gradient.input_gradient


def _part(gradient: PoolingGradient) -> tuple[Frame, Frame]:
    """The outputs around the largest Y · dL/dY, and the inputs that their windows hold."""
    of_output = gradient.output_gradient[gradient.channel]
    weight = gradient.output[gradient.channel] * of_output
    values = np.abs(weight if weight.any() else of_output)
    centre = np.unravel_index(int(values.argmax()), values.shape)
    spans = []
    for axis, members in enumerate((gradient.rows, gradient.columns)):
        extent = min(ENLARGED, values.shape[axis])
        first = min(max(0, int(centre[axis]) - extent // 2), values.shape[axis] - extent)
        held = np.flatnonzero(members[first : first + extent].any(axis=0))
        spans.append(((first, extent), (int(held[0]), int(held[-1] - held[0] + 1))))
    (rows, held_rows), (columns, held_columns) = spans
    return (
        (rows[0], columns[0], rows[1], columns[1]),
        (held_rows[0], held_columns[0], held_rows[1], held_columns[1]),
    )


def _cut(values: Any, frame: Frame) -> Any:
    row, column, rows, columns = frame
    return values[row : row + rows, column : column + columns]


def _windows(gradient: PoolingGradient, outputs: Frame, inputs: Frame) -> tuple[Frame, ...]:
    """Outlines of the windows of the part, in the part's own rows and columns."""
    frames = []
    for row in range(outputs[0], outputs[0] + outputs[2]):
        for column in range(outputs[1], outputs[1] + outputs[3]):
            rows, columns = (
                np.flatnonzero(gradient.rows[row]),
                np.flatnonzero(gradient.columns[column]),
            )
            frames.append(
                (
                    int(rows[0]) - inputs[0],
                    int(columns[0]) - inputs[1],
                    int(rows[-1] - rows[0] + 1),
                    int(columns[-1] - columns[0] + 1),
                )
            )
    return tuple(frames)


def _marked(gradient: PoolingGradient, outputs: Frame, inputs: Frame) -> Int64 | None:
    """Rows and columns, in the part, of the largest of each window."""
    if gradient.places is None:
        return None
    places = _cut(gradient.places[gradient.channel], outputs).ravel()
    rows, columns = np.divmod(places, gradient.input.shape[2])
    return np.stack([rows - inputs[0], columns - inputs[1]], axis=1)


def _overlaps(gradient: PoolingGradient) -> bool:
    return bool((gradient.rows.sum(axis=0) > 1).any())
