"""Pools: MAX_POOL, AVERAGE_POOL and GLOBAL_POOL."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.passes.graph import constant, is_set
from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.layers import Image, Layer
from edgecnn_exporters.targets.native.operators.products import ratio, window_of
from edgecnn_exporters.targets.native.reading import Operator, Reader
from edgecnn_exporters.targets.native.records import EXCLUDE_PADS, Code
from edgecnn_exporters.targets.native.values import Held, Result


def global_pool(reader: Reader, node: ir.Node) -> None:
    """GlobalAveragePool, or a ReduceMean over height and width."""
    if node.op_type == "ReduceMean":
        axes = constant(node.inputs[1]) if len(node.inputs) > 1 else None
        given = node.attributes.get_ints("axes", ()) if axes is None else axes.reshape(-1).tolist()
        if sorted(axis % 4 for axis in given) != [2, 3]:
            raise NoKernel(node, f"it averages over axes {list(given)}, kernels over 2 and 3")
    held = reader.held(node)
    source, encoding = reader.whole(held), held.encoding
    channels = source.channels

    def layers(result: Image) -> tuple[Layer, ...]:
        own = result.encoding
        assert own is not None
        factor = ratio(encoding, own, source.height * source.width)
        return (
            Layer(
                Code.GLOBAL_POOL,
                (source.name,),
                result.name,
                channels,
                channels,
                zero_point=own.zero_point,
                zero_points=(encoding.zero_point, 0),
                factors=(factor, 0.0, 0.0),
            ),
        )

    reader.keep(node, Result(node, (channels, 1, 1), layers))


def average_pool(reader: Reader, node: ir.Node) -> None:
    """AveragePool, counting its pads or not."""
    held = reader.held(node)
    source, encoding = reader.whole(held), held.encoding
    channels, size = source.channels, _output_size(node)
    window = window_of(node, _kernel(node))
    counts_pads = is_set(node, "count_include_pad")
    if counts_pads and is_set(node, "ceil_mode"):
        raise NoKernel(node, "it counts pads behind a window that is cut off", "give its pads")

    def layers(result: Image) -> tuple[Layer, ...]:
        own = result.encoding
        assert own is not None
        return (
            Layer(
                Code.AVERAGE_POOL,
                (source.name,),
                result.name,
                channels,
                channels,
                window=window,
                flags=0 if counts_pads else EXCLUDE_PADS,
                zero_point=own.zero_point,
                zero_points=(encoding.zero_point, 0),
                factors=(encoding.scale, own.scale, 0.0),
            ),
        )

    reader.keep(node, Result(node, (channels, *size), layers))


def max_pool(reader: Reader, node: ir.Node) -> None:
    """MaxPool: integers of the same encoding."""
    held = reader.held(node)
    source, size = reader.whole(held), _output_size(node)
    image = reader.image(str(node.outputs[0].name), (source.channels, *size), held.encoding)
    channels, window = source.channels, window_of(node, _kernel(node))
    names = (source.name,)
    reader.add(Layer(Code.MAX_POOL, names, image.name, channels, channels, window=window))
    reader.keep(node, Held(image, np.arange(channels)[None]))


def _kernel(node: ir.Node) -> tuple[int, int]:
    kernel = tuple(node.attributes.get_ints("kernel_shape", ()))
    if len(kernel) != 2:
        raise NoKernel(node, f"its window has {len(kernel)} axes, kernels take images")
    return kernel[0], kernel[1]


def _output_size(node: ir.Node) -> tuple[int, int]:
    shape = node.outputs[0].shape
    assert shape is not None
    sizes = shape.numpy()
    return int(sizes[2]), int(sizes[3])


OPERATORS: Mapping[str, Operator] = {
    "AveragePool": average_pool,
    "GlobalAveragePool": global_pool,
    "MaxPool": max_pool,
    "ReduceMean": global_pool,
}
