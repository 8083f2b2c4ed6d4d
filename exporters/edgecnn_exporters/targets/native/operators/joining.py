"""Concat: of channels a COPY of each part, through a table where encodings differ; of rows ADD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.layers import Image, Layer
from edgecnn_exporters.targets.native.operators.padding import pad_layer
from edgecnn_exporters.targets.native.reading import Operator, Reader, same, select
from edgecnn_exporters.targets.native.records import Code
from edgecnn_exporters.targets.native.values import Held, Result


def concat(reader: Reader, node: ir.Node) -> None:
    """Concat of 8-bit images of one size, or one above or beside another."""
    parts = [reader.held(node, index) for index in range(len(node.inputs))]
    size, rank = parts[0].image.size, parts[0].channels.ndim
    axis = node.attributes.get_int("axis", 1)
    last = rank + (2 if size != (1, 1) else 0)
    axis = axis % last if axis < 0 else axis
    if rank == 2 and axis in (2, 3) and not any(part.is_flat for part in parts):
        reader.keep(node, _beside(reader, node, parts, axis - 2))
        return
    if axis != 1 or any(part.image.size != size or part.is_flat for part in parts):
        raise NoKernel(node, "it joins another axis than those of an image, or flattened images")
    channels = sum(part.channels.size for part in parts)

    def layers(result: Image) -> tuple[Layer, ...]:
        assert result.encoding is not None
        written, place = [], 0
        for part in _with_known(reader, parts, result):
            held = reader.requantised(part, result.encoding)
            written.append(select(held, result, place))
            place += part.channels.size
        return tuple(written)

    joined = Result(node, (channels, *size), layers)
    if not all(same(part.encoding, parts[0].encoding) for part in parts):
        reader.keep(node, joined)
        return
    held = reader.rounded(joined, parts[0].encoding, str(node.outputs[0].name))
    lead = np.arange(channels).reshape(1, -1, *[1] * (rank - 2))
    reader.keep(node, replace(held, channels=lead))


def _beside(reader: Reader, node: ir.Node, parts: list[Held], axis: int) -> Held:
    """Images one above another (axis 0) or side by side (1): a sum of them, each with zeros around.

    With factors of one the sum of an integer and zeros is that integer.
    """
    encoding, images = parts[0].encoding, [reader.whole(part) for part in parts]
    if not all(same(part.encoding, encoding) for part in parts):
        raise NoKernel(node, "it joins images in different encodings", "give them one encoding")
    name, channels, size = str(node.outputs[0].name), images[0].channels, list(images[0].size)
    size[axis] = sum(image.size[axis] for image in images)
    joined, at = None, [0, 0]
    for image in images:
        part = reader.image(f"{name}.part", (channels, size[0], size[1]), encoding)
        reader.add(pad_layer(image, part, (at[0], at[1]), 0))
        at[axis] += image.size[axis]
        if joined is not None:
            total = reader.image(name, (channels, size[0], size[1]), encoding)
            layer = Layer(Code.ADD, (joined.name, part.name), total.name, channels, channels)
            reader.add(replace(layer, factors=(1.0, 1.0, 0.0)))
            part = total
        joined = part
    assert joined is not None
    return Held(joined, np.arange(channels)[None])


def _with_known(reader: Reader, parts: list[Held], result: Image) -> list[Held]:
    """The parts, the first of them as one where they were joined before.

    In a block of DenseNet each layer joins what all before it made, and one part more.
    """
    keys = [(part.image.name, part.channels.tobytes()) for part in parts]
    known = reader.joined
    known[(*keys,)] = result
    for count in range(len(parts) - 1, 1, -1):
        image = known.get((*keys[:count],))
        if image is not None and image.encoding == result.encoding:
            return [Held(image, np.arange(image.channels)[None]), *parts[count:]]
    return parts


OPERATORS: Mapping[str, Operator] = {"Concat": concat}
