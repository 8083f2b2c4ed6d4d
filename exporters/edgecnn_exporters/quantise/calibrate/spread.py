"""Spread of values along each axis, and what a prescribed encoding makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_runtime.arrays import Float32, Float64
from edgecnn_runtime.encoding import Encoding
from edgecnn_runtime.parity.group_difference import decibels


@dataclass(frozen=True)
class Spread:
    """Least and greatest of one value, the samples' axis left out.

    Attributes:
        axes: by axis from the second on, (extent,) each: least and greatest of every index.
    """

    axes: Mapping[int, tuple[Float32, Float32]]
    low: float
    high: float

    @property
    def span(self) -> float:
        """How far the values lie apart."""
        return self.high - self.low


@dataclass(frozen=True)
class RoundingNoise:
    """Signal to noise, in dB, of values in an encoding that their function prescribes.

    Attributes:
        sqnr_db: of the values themselves.
        about_mean_db: of their distance from their mean.
    """

    sqnr_db: float
    about_mean_db: float


@dataclass(frozen=True)
class Spreads:
    """Measurements over some samples, by the names of the values."""

    values: Mapping[str, Spread]
    noise: Mapping[str, RoundingNoise]


def measure_spreads(
    model: ir.Model,
    samples: Iterable[Float32],
    values: Iterable[str],
    prescribed: Mapping[str, Encoding],
) -> Spreads:
    """Run the float model and measure `values` along their axes, and `prescribed` encodings."""
    spreads = {name: _Extremes() for name in values}
    sums = {name: _Sums(encoding) for name, encoding in prescribed.items()}
    if not spreads and not sums:
        return Spreads({}, {})
    probe = ValueProbe(model, list(dict.fromkeys((*spreads, *sums))))
    for outputs in probe.stream(samples):
        for name, extremes in spreads.items():
            extremes.observe(outputs[name])
        for name, each in sums.items():
            each.observe(outputs[name])
    return Spreads(
        {name: each.result() for name, each in spreads.items()},
        {name: each.result() for name, each in sums.items()},
    )


class _Extremes:
    """Least and greatest so far, of each index of each axis."""

    def __init__(self) -> None:
        self._axes: dict[int, tuple[Float32, Float32]] = {}
        self._low, self._high = np.inf, -np.inf

    def observe(self, values: Float32) -> None:
        if not values.size:
            return
        self._low = min(self._low, float(values.min()))
        self._high = max(self._high, float(values.max()))
        for axis in range(1, values.ndim):
            others = tuple(each for each in range(values.ndim) if each != axis)
            low, high = values.min(axis=others), values.max(axis=others)
            if axis in self._axes:
                low, high = (
                    np.minimum(low, self._axes[axis][0]),
                    np.maximum(high, self._axes[axis][1]),
                )
            self._axes[axis] = low, high

    def result(self) -> Spread:
        return Spread(self._axes, self._low, self._high)


class _Sums:
    """Sums from which the noise of rounding follows."""

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._count = 0
        self._sums: Float64 = np.zeros(3)

    def observe(self, values: Float32) -> None:
        exact = values.astype(np.float64)
        rounded = self._encoding.dequantise(self._encoding.quantise(values))
        self._count += values.size
        self._sums += [exact.sum(), np.square(exact).sum(), np.square(rounded - exact).sum()]

    def result(self) -> RoundingNoise:
        total, squares, noise = self._sums.tolist()
        about_mean = max(0.0, squares - total * total / max(1, self._count))
        return RoundingNoise(decibels(squares, noise), decibels(about_mean, noise))
