"""Concat along the channels: a COPY of each part, requantised by a table where encodings differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.targets.native.errors import NoKernel
from edgecnn_exporters.targets.native.layers import Image, Layer
from edgecnn_exporters.targets.native.reading import Operator, Reader, same, select
from edgecnn_exporters.targets.native.values import Held, Result


def concat(reader: Reader, node: ir.Node) -> None:
    """Concat of 8-bit images of one size."""
    parts = [reader.held(node, index) for index in range(len(node.inputs))]
    size, rank = parts[0].image.size, parts[0].channels.ndim
    axis = node.attributes.get_int("axis", 1)
    last = rank + (2 if size != (1, 1) else 0)
    if (axis % last if axis < 0 else axis) != 1 or any(
        part.image.size != size or part.is_flat for part in parts
    ):
        raise NoKernel(node, "it joins another axis than the channels, or flattened images")
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
