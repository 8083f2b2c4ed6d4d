"""Integer layers of a quantised network: 8-bit images, windows, and operations between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from edgecnn_exporters.targets.native.records import Code
from edgecnn_runtime.arrays import Array, Float32, UInt8
from edgecnn_runtime.encoding import LEVELS, Encoding

Size = tuple[int, int]
# What reads any row of its input for any row of its output.
READ_WHOLE = frozenset(
    {Code.GLOBAL_POOL, Code.RESIZE, Code.PAD, Code.DEPTH_TO_SPACE, Code.BILINEAR}
)


class Role(Enum):
    """Whether an image is the caller's or the network's own."""

    INPUT = "input"
    OUTPUT = "output"
    INNER = "inner"


@dataclass(frozen=True)
class Image:
    """A tensor of one image, channels × height × width.

    Attributes:
        encoding: None of floats.
        is_vector: an input or output without height and width.
    """

    name: str
    channels: int
    height: int
    width: int
    encoding: Encoding | None
    role: Role = Role.INNER
    is_vector: bool = False

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.height, self.width


@dataclass(frozen=True)
class Window:
    """A window over an image, each pair as (height, width).

    Attributes:
        pads: above and to the left. Those below and to the right follow from the output's size.
    """

    kernel: Size = (1, 1)
    stride: Size = (1, 1)
    dilation: Size = (1, 1)
    pads: Size = (0, 0)

    def rows(self, first: int, end: int, height: int) -> tuple[int, int]:
        """The input rows, of `height`, that output rows first … end - 1 are computed from."""
        reach = (self.kernel[0] - 1) * self.dilation[0] + 1
        start, step = self.pads[0], self.stride[0]
        low, high = first * step - start, (end - 1) * step - start + reach
        return min(max(0, low), height), max(min(height, high), 0)

    def columns_behind(self, output: int, width: int) -> int:
        """Columns to the right of the image that the last of `output` columns is computed from."""
        reach = (self.kernel[1] - 1) * self.dilation[1] + 1
        return max(0, (output - 1) * self.stride[1] - self.pads[1] + reach - width)

    def leaves_rows(self, output: int, height: int) -> bool:
        """Whether one of `output` rows is computed from rows above or below the image."""
        reach = (self.kernel[0] - 1) * self.dilation[0] + 1
        behind = (output - 1) * self.stride[0] - self.pads[0] + reach - height
        return self.pads[0] > 0 or behind > 0

    @property
    def is_point(self) -> bool:
        """Whether an output pixel is computed from the same pixel of the input alone."""
        return self == Window()


@dataclass(frozen=True)
class Layer:
    """One operation on whole images; plan.h has the arithmetic of each code.

    Attributes:
        inputs, output: names of images.
        channels: read from the first input, from `first_channel` on.
        output_channels: written, from `output_channel` on.
        weights: int8, (output channels, channels of one group, kernel height, kernel width).
        bias: int64, (output channels,), less zero point times the sum of the weights.
        multiplier: float32, (output channels,).
        zero_point: of the output before the table, which low and high bound.
        index: the map of an operation, 32 bits each: channels of CHANNELS and DEPTH_TO_SPACE, rows
            and columns of RESIZE and BILINEAR, exponentials of SOFTMAX, reals of DEQUANTISE.
        is_gate: the second factor of this MULTIPLY has one pixel.
    """

    code: Code
    inputs: tuple[str, ...]
    output: str
    channels: int
    output_channels: int
    first_channel: int = 0
    output_channel: int = 0
    window: Window = field(default_factory=Window)
    groups: int = 1
    flags: int = 0
    weights: Array | None = None
    bias: Array | None = None
    multiplier: Float32 | None = None
    zero_point: int = 0
    low: int = 0
    high: int = LEVELS
    zero_points: tuple[int, int] = (0, 0)
    factors: tuple[float, float, float] = (0.0, 0.0, 0.0)
    table: UInt8 | None = None
    index: Array | None = None
    is_gate: bool = False

    @property
    def reads_whole(self) -> tuple[str, ...]:
        """The inputs of which all rows must be there before the first row is written."""
        if self.code in READ_WHOLE:
            return self.inputs
        return self.inputs[1:] if self.is_gate else ()


@dataclass(frozen=True)
class IntegerNetwork:
    """Images by name, layers in order of execution, and the names of inputs and outputs."""

    images: dict[str, Image]
    layers: tuple[Layer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
