"""Float values of a QDQ graph as what they are in integers: images, functions of them, results.

Between a DequantizeLinear and a QuantizeLinear a value is float only by name. Here it is kept as an
8-bit image, as a function of one (256 floats), or as the result of an operation that is still to be
rounded to the encoding of the QuantizeLinear behind it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.layers import Image, Layer
from edgecnn_exporters.targets.native.records import Code, FloatFunction
from edgecnn_runtime.arrays import Array, Float32, UInt8
from edgecnn_runtime.encoding import LEVELS, Encoding

# What to do about float values between layers.
HOLD = "quantise the layers around it too, or leave the network to another target"


@dataclass(frozen=True)
class Held:
    """Values that an 8-bit image holds.

    Attributes:
        channels: numbers of the image's channels, in the shape of the value's axes before height
            and width (of all axes, for an image of one pixel).
        is_flat: rows and columns are joined to the channels, (1, channels * height * width).
    """

    image: Image
    channels: Array
    is_flat: bool = False

    @property
    def encoding(self) -> Encoding:
        """Of the image."""
        assert self.image.encoding is not None
        return self.image.encoding

    @property
    def first(self) -> int | None:
        """The first of the channels where they follow one another; else None."""
        numbers = self.channels.reshape(-1)
        start = int(numbers[0])
        return start if np.array_equal(numbers, start + np.arange(numbers.size)) else None

    @property
    def is_whole(self) -> bool:
        """Whether these are all channels of the image, in its order."""
        return self.first == 0 and self.channels.size == self.image.channels

    def is_same_place(self, other: Held) -> bool:
        """Whether both read the same channels in the same order, of images of one size."""
        return (
            self.is_flat == other.is_flat
            and self.image.size == other.image.size
            and np.array_equal(self.channels.reshape(-1), other.channels.reshape(-1))
        )


@dataclass(frozen=True)
class Moved:
    """Values of an 8-bit image in an order that no image has yet.

    Attributes:
        index: in the shape of the value, the place of each in the image, as
            ``(channel * height + row) * width + column``.
    """

    held: Held
    index: Array

    @classmethod
    def of(cls, held: Held, shape: tuple[int, ...]) -> Moved:
        """An image's values in a shape of as many."""
        pixels = held.image.height * held.image.width
        index = held.channels.reshape(-1, 1) * pixels + np.arange(pixels)
        return cls(held, index.reshape(shape))


@dataclass(frozen=True)
class Function:
    """A function of every element of an image, alone.

    Attributes:
        reals: (256,), its result for each integer.
        integers: its 8 bits in an encoding, (256,), where an integer kernel computes it; None
            where the result is rounded from `reals`.
    """

    held: Held
    reals: Float32
    integers: Callable[[Encoding], UInt8] | None = None

    def quantise(self, encoding: Encoding) -> UInt8:
        """The 8 bits of the function for each integer of the image, (256,)."""
        return encoding.quantise(self.reals) if self.integers is None else self.integers(encoding)


@dataclass(frozen=True)
class Result:
    """The result of an integer operation before it is rounded.

    Attributes:
        size: (channels, height, width).
        layers: the layers that write it to an image.
        low, high: bounds of a Relu or Clip behind it.
        has_float: an image of floats can hold it, too.
    """

    node: ir.Node
    size: tuple[int, int, int]
    layers: Callable[[Image], tuple[Layer, ...]]
    low: float = -math.inf
    high: float = math.inf
    has_float: bool = False

    def clipped(self, low: float, high: float) -> Result:
        """The result between two bounds."""
        return replace(self, low=max(self.low, low), high=min(self.high, high))

    @property
    def is_clipped(self) -> bool:
        """Whether a Relu or Clip bounds it."""
        return math.isfinite(self.low) or math.isfinite(self.high)

    def in_float(self, image: Image) -> tuple[Layer, ...]:
        """The layers that write it to an image of floats."""
        bounds = (0.0, self.low, self.high)
        clip = replace(function_layer(FloatFunction.CLIP, image), factors=bounds)
        return (*self.layers(image), *([clip] if self.is_clipped else []))

    def followed_by(self, node: ir.Node, function: FloatFunction) -> Result:
        """A function of the float result, which stays float.

        Raises:
            NoKernel: the result has no floats, or what follows is held in 8 bits.
        """

        def layers(image: Image) -> tuple[Layer, ...]:
            if image.encoding is not None:
                raise NoKernel(node, "it reads float sums, and its result is held in 8 bits", HOLD)
            return (*self.in_float(image), function_layer(function, image))

        if not self.has_float:
            raise NoKernel(node, "what it reads is float and not held in 8 bits", HOLD)
        return Result(node, self.size, layers, has_float=True)


def function_layer(function: FloatFunction, image: Image) -> Layer:
    """FUNCTION of a float output, in place."""
    channels = image.channels
    layer = Layer(Code.FUNCTION, (image.name,), image.name, channels, channels)
    return replace(layer, flags=int(function))


@dataclass(frozen=True)
class Fed:
    """A float input of the network."""

    image: Image


@dataclass(frozen=True)
class Constant:
    """A constant: its reals, and the integers that hold it.

    Attributes:
        integers: None where it is float in the QDQ graph.
        scale: () or (channels,).
    """

    reals: Array
    integers: Array | None = None
    scale: Float32 | None = None
    zero_point: int = 0
    axis: int = 0


Value = Held | Moved | Function | Result | Fed | Constant


def integer_bound(bound: float, encoding: Encoding) -> int:
    """The integer 0 … 255 that a bound of a clip rounds to."""
    if math.isinf(bound):
        return 0 if bound < 0 else LEVELS
    nearest = np.rint(np.float32(bound) / np.float32(encoding.scale)) + encoding.zero_point
    return int(np.clip(nearest, 0, LEVELS))
