"""8-bit inputs and outputs of a plan, in the encodings that the graph gives them."""

from __future__ import annotations

from dataclasses import replace

from edgecnn_exporters.targets.native.layers import Image, IntegerNetwork, Role
from edgecnn_exporters.targets.native.records import Code
from edgecnn_runtime.encoding import Encoding


def with_byte_ends(network: IntegerNetwork) -> IntegerNetwork:
    """The network with uint8 inputs and outputs where the graph holds them in 8 bits.

    * An input whose QUANTISE layers have one encoding is that of its caller.
    * An output that DEQUANTISE writes, not by a table of reals, is of the encoding that it reads.
    * All others stay float32.
    """
    images = {
        name: replace(image, encoding=_encoding(network, image))
        for name, image in network.images.items()
    }
    return replace(network, images=images)


def _encoding(network: IntegerNetwork, image: Image) -> Encoding | None:
    if image.role is Role.INPUT:
        readers = [layer for layer in network.layers if image.name in layer.inputs]
        found = {
            Encoding(layer.factors[0], layer.zero_point)
            for layer in readers
            if layer.code is Code.QUANTISE
        }
        return found.pop() if len(found) == 1 else None
    if image.role is Role.OUTPUT:
        writers = [layer for layer in network.layers if layer.output == image.name]
        is_held = all(each.code is Code.DEQUANTISE and each.index is None for each in writers)
        found = {Encoding(layer.factors[0], layer.zero_points[0]) for layer in writers}
        return found.pop() if is_held and len(found) == 1 else None
    return image.encoding
