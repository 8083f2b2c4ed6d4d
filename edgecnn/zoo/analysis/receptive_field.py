"""Receptive fields on any graph of layers.

Araujo, Norris and Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks", Distill.
A feature i of a map sees the pixels from ``first + i·stride`` to ``last + i·stride`` of the input,
along each axis; pixels below 0 or beyond the image are padding. The rules:

- A window of k taps with stride s, padding p and dilation d (a convolution, a pooling) makes
  ``first − p·stride``, ``last + ((k − 1)·d − p)·stride`` and ``stride·s`` (section 2).
- Where paths meet, the field is the smallest interval that holds theirs, so the longest path
  decides and paths that are not aligned are counted in full (section 3).
- Global pooling sees the whole image, and so does all that reads only it: it has no field here.
  An average pooling of the whole map counts as global if no larger window follows it.
- A squeeze-excite gate, or any other operand that is broadcast over the map, is left out of the
  field: the figure is of the main path. Strictly, every feature after it sees the whole image,
  which `Place.is_gated` says.
- A transposed convolution sees the taps of its widest phase. Interpolation and adaptive pooling
  see their widest window; their offsets are those of output 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from edgecnn.zoo.analysis.tracing import Operation, Trace, Value
from edgecnn.zoo.analysis.windows import AxisWindow, find_axes, is_global, windows_of

ONE = Fraction(1)


@dataclass(frozen=True)
class Span:
    """Receptive field along one axis, in pixels of the input: feature 0, and the stride."""

    first: Fraction = Fraction(0)
    last: Fraction = Fraction(0)
    stride: Fraction = ONE

    @property
    def size(self) -> Fraction:
        """Pixels from the first to the last."""
        return self.last - self.first + 1

    @property
    def centre(self) -> Fraction:
        """Pixel in the middle of what feature 0 sees."""
        return (self.first + self.last) / 2

    def slide(self, window: AxisWindow) -> Span:
        """The span of a feature that reads this map through a window."""
        first = self.first - window.padding * self.stride
        reach = (window.kernel - 1) * window.dilation * self.stride
        return Span(first, first + self.size - 1 + reach, self.stride * window.stride)

    def join(self, other: Span) -> Span:
        """The span of a feature that reads this map and another one."""
        return Span(
            min(self.first, other.first),
            max(self.last, other.last),
            max(self.stride, other.stride),
        )


@dataclass(frozen=True)
class Place:
    """Receptive field of a value's features, along height and width.

    Attributes:
        axes: of the value, which run along height and width.
        is_gated: whether a gate multiplied in what the whole image says.
    """

    rows: Span
    columns: Span
    axes: tuple[int, int]
    is_gated: bool = False

    @property
    def size(self) -> Fraction:
        """Pixels along the longer side of the receptive field."""
        return max(self.rows.size, self.columns.size)

    @property
    def strides(self) -> tuple[Fraction, Fraction]:
        """Pixels between neighbours, along height and width."""
        return self.rows.stride, self.columns.stride


OF_INPUT = Place(Span(), Span(), (2, 3))


@dataclass(frozen=True)
class ReceptiveFields:
    """Receptive fields of all values of a graph.

    Attributes:
        places: of every value; None for one that sees the whole image.
        depths: of every value, weighted layers on its longest path from the input.
    """

    places: tuple[Place | None, ...]
    depths: tuple[int, ...]


def locate(trace: Trace, weighted: Sequence[bool]) -> ReceptiveFields:
    """Walk the graph once from the input on.

    A gate does not count for the depth either, as in the papers: only inputs on the main path do.

    Args:
        weighted: of every operation, whether it is a layer that the depth counts.
    """
    places: list[Place | None] = [None] * len(trace.values)
    depths = [0] * len(trace.values)
    places[0] = OF_INPUT
    followed = _followed_by_window(trace)
    for index, operation in enumerate(trace.operations):
        inputs = [(trace.values[i], places[i]) for i in operation.inputs]
        for output in operation.outputs:
            value = trace.values[output]
            places[output], is_main = _merge(operation, inputs, value, followed[index])
            on_path = [i for i, main in zip(operation.inputs, is_main, strict=True) if main]
            depths[output] = max(depths[i] for i in on_path) + weighted[index]
    return ReceptiveFields(tuple(places), tuple(depths))


def _merge(
    operation: Operation,
    inputs: list[tuple[Value, Place | None]],
    output: Value,
    has_window_after: bool,
) -> tuple[Place | None, list[bool]]:
    """The output's place, and which inputs are on the main path."""
    reached = [
        None if place is None else _pass(operation, source, place, output, has_window_after)
        for source, place in inputs
    ]
    places = [place for place in reached if place is not None]
    if not places:
        return None, [True] * len(inputs)
    rows, columns = places[0].rows, places[0].columns
    for place in places[1:]:
        rows, columns = rows.join(place.rows), columns.join(place.columns)
    is_gated = len(places) < len(inputs) or any(place.is_gated for place in places)
    joined = Place(rows, columns, places[0].axes, is_gated)
    return joined, [place is not None for place in reached]


def _pass(
    operation: Operation, source: Value, place: Place, output: Value, has_window_after: bool
) -> Place | None:
    """Receptive field of one input after the operation; None where position is lost."""
    if is_global(operation, source.shape, place.axes, output.shape):
        return None
    windows = windows_of(operation, source.shape, place.axes, output.shape)
    if windows is None:
        axes = find_axes(operation, source.shape, place.axes, output.shape)
        return None if axes is None else Place(place.rows, place.columns, axes, place.is_gated)
    extents = [source.shape[axis] for axis in place.axes]
    covers_all = all(
        window.kernel == extent and window.padding == 0
        for window, extent in zip(windows, extents, strict=True)
    )
    if operation.name == "avg_pool2d" and covers_all and not has_window_after:
        return None
    rows, columns = windows
    return Place(place.rows.slide(rows), place.columns.slide(columns), place.axes, place.is_gated)


def _followed_by_window(trace: Trace) -> list[bool]:
    """Of each operation, whether something after it reads its output through a larger window."""
    read_by_window = [False] * len(trace.values)
    followed = [False] * len(trace.operations)
    for index in reversed(range(len(trace.operations))):
        operation = trace.operations[index]
        followed[index] = any(read_by_window[i] for i in operation.outputs)
        weight = operation.constants.get("weight", ())
        is_window = "pool" in operation.name or (
            "conv" in operation.name and max(weight[2:], default=1) > 1
        )
        if is_window or followed[index]:
            for i in operation.inputs:
                read_by_window[i] = True
    return followed
