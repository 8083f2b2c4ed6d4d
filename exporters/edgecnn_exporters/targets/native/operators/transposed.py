"""ConvTranspose: a convolution for each place in a block of output pixels, then DEPTH_TO_SPACE.

Output ``o = s a + e`` sums ``x[i] w[t]`` over ``i s + t d = o + p``: for each of the s places e of
a block these are taps of a plain convolution at a. All products of the transposed convolution are
in one of them, and few of those that a stuffing with zeros would add.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product as places_of

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.layers import Image, Layer, Window
from edgecnn_exporters.targets.native.operators.moving import shape_of
from edgecnn_exporters.targets.native.operators.products import Product, product_of, window_of
from edgecnn_exporters.targets.native.packing import LANES
from edgecnn_exporters.targets.native.reading import Operator, Reader
from edgecnn_exporters.targets.native.rearranging import blocks_to_pixels
from edgecnn_exporters.targets.native.records import Code
from edgecnn_exporters.targets.native.values import Held, Result
from edgecnn_runtime.arrays import Array


@dataclass(frozen=True)
class Taps:
    """Taps along one axis that some places of a block read.

    Attributes:
        pad: pixels in front of the block's own that the window begins at.
        kernel: for each place and tap the index into the weight, -1 where there is none.
    """

    pad: int
    kernel: Array


def taps_of(places: range, axis: int, window: Window) -> Taps:
    """The taps of a plain convolution for some places of a block."""
    step, pad, dilation = window.stride[axis], window.pads[axis], window.dilation[axis]
    reach = (window.kernel[axis] - 1) * dilation
    low = min(0, -((reach - places[0] - pad) // step))
    high = max(0, (places[-1] + pad) // step)
    at = np.array(places)[:, None] + pad - step * np.arange(low, high + 1)
    is_tap = (at >= 0) & (at <= reach) & (at % dilation == 0)
    return Taps(-low, np.where(is_tap, at // dilation, -1))


def conv_transpose(reader: Reader, node: ir.Node) -> None:
    """ConvTranspose over images."""
    source, groups = reader.held(node), node.attributes.get_int("group", 1)
    weighed = product_of(reader, node, 1, groups)
    if weighed.weights.ndim != 4 or "output_shape" in node.attributes:
        raise NoKernel(node, "it is not over an image, or leaves its pads open", "write its pads")
    height, width = weighed.weights.shape[2:]
    window = window_of(node, (height, width))
    _, channels, *size = shape_of(node.outputs[0])
    image = reader.whole(source)

    def layers(result: Image) -> tuple[Layer, ...]:
        block = window.stride
        if block == (1, 1):
            return _phases(node, weighed, window, image, result, groups)
        rows, columns = (-(-size[axis] // block[axis]) for axis in (0, 1))
        count = block[0] * block[1] * channels
        assert result.encoding is not None
        wide = reader.image(f"{result.name}.blocks", (count, rows, columns), result.encoding)
        convolutions = _phases(node, weighed, window, image, wide, groups)
        # Channels lie as [group][row of the block][column of the block][channel of the group].
        index = np.arange(count).reshape(groups, *block, -1).transpose(1, 2, 0, 3)
        layer = Layer(Code.DEPTH_TO_SPACE, (wide.name,), result.name, count, channels)
        return (*convolutions, blocks_to_pixels(layer, block, index))

    reader.keep(node, Result(node, (channels, size[0], size[1]), layers))


def _phases(
    node: ir.Node, weighed: Product, window: Window, source: Image, result: Image, groups: int
) -> tuple[Layer, ...]:
    """The convolutions of all places of a block: one of all, or one of each that fills vectors."""
    whole = [range(step) for step in window.stride]
    if groups > 1 or (len(weighed.bias) % LANES and window.stride != (1, 1)):
        return (_convolution(node, weighed, window, source, result, whole, groups),)
    layers = []
    for row, column in places_of(*whole):
        places = [range(row, row + 1), range(column, column + 1)]
        layer = _convolution(node, weighed, window, source, result, places, groups)
        at = (row * window.stride[1] + column) * len(weighed.bias)
        layers.append(replace(layer, output_channel=at))
    return tuple(layers)


def _convolution(
    node: ir.Node,
    weighed: Product,
    window: Window,
    source: Image,
    result: Image,
    places: list[range],
    groups: int,
) -> Layer:
    """The convolution whose output channels are [group][row][column][channel of the group]."""
    rows, columns = (taps_of(each, axis, window) for axis, each in enumerate(places))
    known = (rows.kernel >= 0)[:, None, :, None] & (columns.kernel >= 0)[:, None]
    # (channels in, channels of a group out, row, column of the block, taps of both axes)
    picked = weighed.weights[
        :, :, rows.kernel[:, None, :, None], columns.kernel[None, :, None, :]
    ] * known.astype(np.int8)
    inputs, outputs, *block = picked.shape[:4]
    parts = picked.reshape(groups, inputs // groups, *picked.shape[1:])
    weights = parts.transpose(0, 3, 4, 2, 1, 5, 6)
    weights = weights.reshape(-1, *weights.shape[4:])
    scale, bias = (
        np.repeat(each.reshape(groups, 1, outputs), block[0] * block[1], axis=1).reshape(-1)
        for each in (weighed.scale, weighed.bias)
    )
    held = Held(source, np.arange(source.channels)[None])
    code = Code.CONVOLUTION if groups == 1 else Code.GROUPED
    layer = Product(weights, scale, bias).layer(node, code, held, result)
    taps = Window((weights.shape[2], weights.shape[3]), pads=(rows.pad, columns.pad))
    return replace(layer, window=taps, groups=groups)


OPERATORS: Mapping[str, Operator] = {"ConvTranspose": conv_transpose}
