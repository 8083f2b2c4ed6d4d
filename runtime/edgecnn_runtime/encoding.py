"""8-bit encodings, scale and zero point: ``real = scale * (integer - zero_point)``.

Krishnamoorthi 2018, "Quantizing deep convolutional networks for efficient inference", section 2;
Jacob et al. 2018, "Quantization and Training of Neural Networks", section 2.1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgecnn_runtime.arrays import Float32, Int8, Int32, UInt8

LEVELS = 255  # steps between the least and the greatest of 256 values
# The narrowest range of a weight, or of values that are not all zero: scale 0 divides by zero.
SMALLEST_SPAN = 1e-6
# The range of values that are all zero, as a dead layer's are. Any holds them, but kernels refuse
# a scale that is too far from its neighbours'.
SPAN_OF_ZEROS = 1.0
INT32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class Range:
    """Range of reals that 8 bits are to hold. It always reaches to zero: padding must be exact."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low <= self.high):
            raise ValueError(f"range {self.low} … {self.high} is empty or not finite")

    def to_zero(self) -> Range:
        """The range, widened to hold zero."""
        return Range(min(self.low, 0.0), max(self.high, 0.0))

    def joined(self, other: Range) -> Range:
        """The least range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))


@dataclass(frozen=True)
class Encoding:
    """Scale and zero point of an activation, in unsigned form: the integers are 0 … 255.

    The signed form is the same quantisation with the zero point 128 lower.
    """

    scale: float
    zero_point: int

    @property
    def range(self) -> Range:
        """The reals that 0 and 255 stand for."""
        low, high = -self.zero_point, LEVELS - self.zero_point
        return Range(self.scale * low, self.scale * high)

    def quantise(self, values: Float32) -> UInt8:
        """The nearest integers, halves to even, saturated: ONNX's QuantizeLinear."""
        integers = np.rint(values / np.float32(self.scale)) + self.zero_point
        saturated: UInt8 = np.clip(integers, 0, LEVELS).astype(np.uint8)
        return saturated

    def dequantise(self, integers: UInt8) -> Float32:
        """The reals that the integers stand for: ONNX's DequantizeLinear."""
        shifted: Float32 = (integers.astype(np.int32) - self.zero_point).astype(np.float32)
        return shifted * np.float32(self.scale)


@dataclass(frozen=True)
class QuantisedWeight:
    """A weight as int8 with one scale for each output channel, or one for all.

    Attributes:
        integers: the weight's shape.
        scale: (channels,), or () for the whole weight.
        axis: of the output channels in the weight.
    """

    integers: Int8
    scale: Float32
    axis: int

    def dequantise(self) -> Float32:
        """The weight that the runtime computes with."""
        return self.integers.astype(np.float32) * along(self.scale, self.integers.ndim, self.axis)


def encode(interval: Range, limit: Range | None = None) -> Encoding:
    """The encoding of a range, moved by less than a step so that zero is an integer.

    The scale is a float32, as runtimes store it.

    Args:
        limit: what a Relu or a Clip lets through. Neither end of the encoding lies beyond it, not
            by a rounding either: only then may a runtime leave the clip to saturation.
    """
    known = limit if limit is not None and limit.low <= 0.0 <= limit.high else None
    wide = interval.to_zero()
    if wide.low == wide.high:
        wide = _range_of_zeros(known)
    span = max(wide.high - wide.low, SMALLEST_SPAN)
    if known is not None and known.low < known.high:
        span = min(span, known.high - known.low)
    scale = np.float32(span / LEVELS)
    zero_point = int(np.clip(np.rint(-wide.low / scale), 0, LEVELS))
    if known is not None and known.high > 0.0:
        while zero_point < LEVELS and scale * np.float32(LEVELS - zero_point) > known.high:
            scale = np.nextafter(scale, np.float32(0))
    return Encoding(float(scale), zero_point)


def _range_of_zeros(limit: Range | None) -> Range:
    """A range for values that are all zero, within the limit where that holds more than zero."""
    if limit is not None and limit.high > 0.0:
        return Range(0.0, min(limit.high, SPAN_OF_ZEROS))
    if limit is not None and limit.low < 0.0:
        return Range(max(limit.low, -SPAN_OF_ZEROS), 0.0)
    return Range(0.0, SPAN_OF_ZEROS)


def weight_scales(weight: Float32, axis: int | None, bits: int = 8) -> Float32:
    """Symmetric scales of a weight: the largest magnitude is the largest integer.

    Args:
        axis: of the output channels; None for one scale in all.
        bits: 8, or 7 where the target adds pairs of products in 16 bits (x86 without VNNI).

    Returns:
        (channels,), or () for one in all. A channel of zeros gets a scale that is none.
    """
    others = None if axis is None else tuple(i for i in range(weight.ndim) if i != axis)
    largest = np.abs(weight).max(axis=others).astype(np.float32)
    return np.asarray(np.maximum(largest, SMALLEST_SPAN) / largest_integer(bits), np.float32)


def hold_bias(scale: Float32, bias: Float32, input_scale: float) -> Float32:
    """Scales, enlarged where the bias would not fit into 32 bits at them.

    A channel of zeros or nearly so, as regularisation leaves them, still has a bias.
    """
    needed = (np.abs(bias) / (input_scale * 2.0**30)).astype(np.float32)
    return np.maximum(scale, needed if scale.ndim else needed.max(initial=0.0))


def quantise_weight(weight: Float32, scale: Float32, axis: int, bits: int = 8) -> QuantisedWeight:
    """The nearest integers to a weight at given scales, (channels,) or ()."""
    steps = weight / along(scale, weight.ndim, axis)
    limit = largest_integer(bits)
    integers = np.clip(np.rint(steps), -limit, limit).astype(np.int8)
    return QuantisedWeight(integers, scale, axis)


def quantise_bias(
    bias: Float32, input_scale: float, weight_scale: Float32
) -> tuple[Int32, Float32]:
    """A bias in the units of the accumulator, and those units: ``s_x s_w``, (channels,) or ()."""
    scale = np.asarray(np.float32(input_scale) * weight_scale, np.float32)
    # Of a channel of zeros the weight's scale is tiny, and its bias too large for 32 bits.
    integers = np.clip(np.rint(bias.astype(np.float64) / scale), INT32.min, INT32.max)
    return integers.astype(np.int32), scale


def largest_integer(bits: int) -> int:
    """The largest integer of a symmetric weight: 127 of 8 bits, 63 of 7."""
    return int(2 ** (bits - 1) - 1)


def along(scale: Float32, ndim: int, axis: int) -> Float32:
    """`scale` with axes of 1 put around it, so that it multiplies along `axis`."""
    if scale.ndim == 0:
        return scale
    return scale.reshape([-1 if i == axis else 1 for i in range(ndim)])
