"""Statistics of one tensor during calibration: least, greatest and a histogram."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgecnn_runtime.arrays import Float32, Float64, Int64
from edgecnn_runtime.encoding import Range

# Eight to sixteen bins to a level where a tensor has one sign, up to twice that where it has two:
# a search has something to choose from.
BINS = 8192
HALF = BINS // 2
# Values of one sample that are counted. The rest only move least and greatest.
COUNTED = 16_384
# Of the half width: a bin's place is computed in float32, which overflows for narrower ones.
SMALLEST_EXPONENT = -64


@dataclass(frozen=True)
class Histogram:
    """Histogram of a tensor's values.

    Attributes:
        counts: (BINS,), of bins that lie symmetric about zero.
        bin: the width of each.
        zeros: how many of the counted values were exactly zero, as after a Relu.
        low, high: the least and the greatest of all values, counted or not.
        mean_low, mean_high: means over the samples of each one's least and greatest.
    """

    counts: Int64
    bin: float
    zeros: int
    low: float
    high: float
    mean_low: float
    mean_high: float

    @property
    def centres(self) -> Float64:
        """(BINS,), the middle of each bin."""
        return np.arange(0.5 - HALF, HALF, dtype=np.float64) * self.bin


@dataclass(frozen=True)
class Observation:
    """Least and greatest of one sample's activations, and those of them that are counted."""

    low: float
    high: float
    counted: Float32

    @classmethod
    def of(
        cls, values: Float32, low: float | None = None, high: float | None = None
    ) -> Observation:
        """Observe activations of any shape.

        Args:
            low, high: their least and greatest where they are known.

        Raises:
            ValueError: one is NaN or infinite.
        """
        low = float(values.min()) if low is None else low
        high = float(values.max()) if high is None else high
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError("a value is NaN or infinite")
        return cls(low, high, _subset(values).copy())

    def clipped(self, limits: Range) -> Observation:
        """The same of activations that are clipped."""
        low, high = np.clip([self.low, self.high], limits.low, limits.high).tolist()
        counted: Float32 = np.clip(self.counted, limits.low, limits.high, dtype=np.float32)
        return Observation(low, high, counted)


class TensorStatistics:
    """Least, greatest and a histogram, in memory that does not grow with the samples.

    The histogram's half width is a power of two above every magnitude, and doubles when one reaches
    it: two bins become one, and every count stays between the edges that hold its value.
    """

    def __init__(self) -> None:
        self._counts: Int64 = np.zeros(BINS, np.int64)
        self._half_width = 0.0
        self._zeros = 0
        self._samples = 0
        self._sum_low = self._sum_high = 0.0
        self.low = math.inf
        self.high = -math.inf

    def observe(self, values: Float32) -> None:
        """Count one sample's activations, of any shape.

        Raises:
            ValueError: one is NaN or infinite.
        """
        self.add(Observation.of(values))

    def add(self, sample: Observation) -> None:
        """Count one sample's activations that were observed before."""
        low, high = sample.low, sample.high
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._sum_low, self._sum_high = self._sum_low + low, self._sum_high + high
        self._samples += 1
        self._widen(_power_above(max(-low, high)))
        self._zeros += sample.counted.size - int(np.count_nonzero(sample.counted))
        self._counts += self._count(sample.counted)

    def reach(self, low: float, high: float) -> None:
        """Extend the range to values that are not counted."""
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._widen(_power_above(max(-low, high)))

    def histogram(self) -> Histogram:
        """The histogram so far.

        Raises:
            ValueError: no values were observed.
        """
        if self.low > self.high:
            raise ValueError("nothing was observed")
        width = self._half_width / HALF
        count = self._samples
        means = (self._sum_low / count, self._sum_high / count) if count else (self.low, self.high)
        return Histogram(self._counts.copy(), width, self._zeros, self.low, self.high, *means)

    def _widen(self, half_width: float) -> None:
        if not self._half_width:
            # All before were zeros, and lie in the bin above zero whatever its width.
            self._half_width = half_width
        while half_width > self._half_width:
            self._counts, self._half_width = _halved(self._counts), 2 * self._half_width

    def _count(self, values: Float32) -> Int64:
        if not self._half_width:
            counts = np.zeros(BINS, np.int64)
            counts[HALF] = values.size
            return counts
        # A power of two: the division is exact, and no value falls into its neighbour's bin.
        places = np.floor(values * np.float32(HALF / self._half_width)).astype(np.int64) + HALF
        return np.bincount(places, minlength=BINS)


def _power_above(magnitude: float) -> float:
    """The least power of two that is greater, 0 for 0.

    Greater, not equal: a value on the last edge would have no bin of its own, and once the
    histogram widens would be counted in the bin below.
    """
    return 2.0 ** max(SMALLEST_EXPONENT, math.frexp(magnitude)[1]) if magnitude else 0.0


def _halved(counts: Int64) -> Int64:
    """The same counts in bins of twice the width."""
    halved = np.zeros_like(counts)
    halved[HALF // 2 : HALF + HALF // 2] = counts.reshape(-1, 2).sum(axis=1)
    return halved


def _subset(values: Float32) -> Float32:
    """At most `COUNTED` of the values, the same ones every time.

    A stride without a common factor with the size meets every channel, row and column alike.
    """
    flat = values.reshape(-1)
    stride = -(-flat.size // COUNTED)
    while math.gcd(stride, flat.size) != 1:
        stride += 1
    return flat[::stride]
