"""Windows of convolutions and pools, as their gradients need them: sizes that are all known."""

from __future__ import annotations

from dataclasses import dataclass

from edgecnn_exporters.gradient.rule import Backward
from edgecnn_exporters.passes.graph import is_set
from edgecnn_exporters.passes.padding.windows import WindowAxis, window_axes


@dataclass(frozen=True)
class Window:
    """Window along one axis: output o reads inputs ``o stride - before + i dilation``, i < kernel.

    Attributes:
        image: pixels of the operator's input.
        output: windows.
    """

    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    image: int
    output: int

    @property
    def reach(self) -> int:
        """Pixels from the first tap of the kernel to its last."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def left(self) -> int:
        """Pixels at the end, padding included, that no window reaches; 0 to stride - 1."""
        padded = self.before + self.image + self.after
        return padded - self.reach - (self.output - 1) * self.stride

    @property
    def read_after(self) -> int:
        """Pixels of the padding at the end that a window reaches."""
        return max(0, self.after - self.left)

    @property
    def unread(self) -> int:
        """Pixels of the image at its end that no window reaches."""
        return max(0, self.left - self.after)

    @property
    def is_one_to_one(self) -> bool:
        """Whether each window is the pixel of its own place."""
        return self.kernel == self.stride == 1 and self.before == self.after == 0

    def pixel(self, output: int, tap: int) -> int | None:
        """Place of the pixel that a tap of a window reads; None in the padding."""
        place = output * self.stride - self.before + tap * self.dilation
        return place if 0 <= place < self.image else None


@dataclass(frozen=True)
class Convolution:
    """Geometry of a convolution from `inputs` to `outputs` channels."""

    windows: tuple[Window, ...]
    inputs: int
    outputs: int
    groups: int

    @property
    def is_pointwise(self) -> bool:
        """Whether it mixes the channels of each pixel alone."""
        return self.groups == 1 and all(window.is_one_to_one for window in self.windows)

    @property
    def is_depthwise(self) -> bool:
        """Whether each channel has a kernel of its own."""
        return self.groups == self.inputs == self.outputs


def windows_of(back: Backward) -> tuple[Window, ...]:
    """The window of a pool along each axis of the image.

    Raises:
        UnsupportedModel: a size is not known, the padding is automatic, or sizes round up.
    """
    sizes = back.output_shape()[2:]
    axes = zip(_axes(back), sizes, strict=True)
    return tuple(_window(back, axis, axis.image, output) for axis, output in axes)


def convolution_of(back: Backward) -> Convolution:
    """The geometry of a Conv.

    Raises:
        UnsupportedModel: as `windows_of`.
    """
    return _convolution(back, windows_of(back), back.shape()[1], back.output_shape()[1])


def transposed_convolution_of(back: Backward) -> Convolution:
    """The geometry of the convolution that leads from a ConvTranspose's output to its input.

    Raises:
        UnsupportedModel: as `windows_of`, or the padding follows from a given size.
    """
    if back.node.attributes.get_ints("output_shape"):
        raise back.refused("its padding follows from output_shape")
    sizes = back.output_shape()[2:]
    axes = zip(_axes(back), sizes, strict=True)
    windows = tuple(_window(back, axis, output, axis.image) for axis, output in axes)
    return _convolution(back, windows, back.output_shape()[1], back.shape()[1])


def _convolution(
    back: Backward, windows: tuple[Window, ...], inputs: int | None, outputs: int | None
) -> Convolution:
    if inputs is None or outputs is None:
        raise back.refused("its number of channels is not fixed")
    return Convolution(windows, inputs, outputs, back.node.attributes.get_int("group", 1))


def _axes(back: Backward) -> tuple[WindowAxis, ...]:
    if back.node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise back.refused("its padding is automatic (auto_pad)")
    if is_set(back.node, "ceil_mode"):
        raise back.refused("it rounds its size up (ceil_mode)")
    axes = window_axes(back.node)
    if axes is None:
        raise back.refused("the size of its kernel is not known")
    return axes


def _window(back: Backward, axis: WindowAxis, image: int | None, output: int | None) -> Window:
    if image is None or output is None:
        raise back.refused(f"the size of {back.input(0).name} is not fixed")
    return Window(axis.kernel, axis.stride, axis.dilation, axis.before, axis.after, image, output)
