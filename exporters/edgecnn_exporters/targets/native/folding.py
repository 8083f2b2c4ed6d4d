"""Simplification of integer layers: unread ones are dropped, tables join the layer before them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from edgecnn_exporters.targets.native.joining import join_in_place
from edgecnn_exporters.targets.native.layers import READ_WHOLE, Image, IntegerNetwork, Layer
from edgecnn_exporters.targets.native.records import Code

# After their arithmetic these look every result up in a table.
WITH_TABLE = frozenset(
    {
        *(Code.CONVOLUTION, Code.DEPTHWISE, Code.GROUPED, Code.ADD, Code.MULTIPLY, Code.TABLE),
        *(Code.AVERAGE_POOL, Code.GLOBAL_POOL, Code.COPY),
    }
)


def simplify(network: IntegerNetwork) -> IntegerNetwork:
    """The same results from fewer layers.

    * A layer that nothing reads is dropped.
    * A TABLE that alone reads what another layer writes becomes that layer's table.
    * What a COPY alone moves into a wider image is written there at once.
    * A MAX_POOL and another window that pad one image differently get an image each.
    """
    network = _drop_unread(network)
    network = _fold_tables(network)
    network = join_in_place(network)
    return _separate_pads(network)


def _drop_unread(network: IntegerNetwork) -> IntegerNetwork:
    read = set(network.outputs)
    kept = []
    for layer in reversed(network.layers):
        if layer.output in read:
            read.update(layer.inputs)
            kept.append(layer)
    return _with_layers(network, kept[::-1])


def _with_layers(network: IntegerNetwork, layers: list[Layer]) -> IntegerNetwork:
    used = {name for layer in layers for name in (*layer.inputs, layer.output)}
    used.update(network.inputs)
    images = {name: image for name, image in network.images.items() if name in used}
    return replace(network, images=images, layers=tuple(layers))


def _fold_tables(network: IntegerNetwork) -> IntegerNetwork:
    readers = Counter(name for layer in network.layers for name in layer.inputs)
    writers = Counter(layer.output for layer in network.layers)
    layers: list[Layer] = []
    places: dict[str, int] = {}
    for layer in network.layers:
        source = layer.inputs[0]
        place = places.get(source)
        before = layers[place] if place is not None else None
        if (
            layer.code is Code.TABLE
            and before is not None
            and place is not None
            and before.code in WITH_TABLE
            and readers[source] == writers[source] == 1
        ):
            assert layer.table is not None
            table = layer.table if before.table is None else layer.table[before.table]
            layers[place] = replace(before, table=table, output=layer.output)
            places[layer.output] = place
            continue
        places[layer.output] = len(layers)
        layers.append(layer)
    return _with_layers(network, layers)


def _separate_pads(network: IntegerNetwork) -> IntegerNetwork:
    images = dict(network.images)
    padded = {
        layer.inputs[0]
        for layer in network.layers
        if layer.code is not Code.MAX_POOL and needs_pads(layer, images)
    }
    layers: list[Layer] = []
    for layer in network.layers:
        source = images[layer.inputs[0]]
        is_shared = source.name in padded and source.encoding and source.encoding.zero_point
        if layer.code is Code.MAX_POOL and is_shared and needs_pads(layer, images):
            copy = Image(f"{layer.output}.padded", source.channels, *source.size, source.encoding)
            images[copy.name] = copy
            count = source.channels
            layers.append(Layer(Code.COPY, (source.name,), copy.name, count, count))
            layers.append(replace(layer, inputs=(copy.name,)))
        else:
            layers.append(layer)
    return replace(network, images=images, layers=tuple(layers))


def needs_pads(layer: Layer, images: dict[str, Image]) -> bool:
    """Whether the layer's windows leave the image."""
    if layer.code in READ_WHOLE:
        return False
    source, result = images[layer.inputs[0]], images[layer.output]
    window = layer.window
    columns = window.pads[1] or window.columns_behind(result.width, source.width)
    return bool(columns) or window.leaves_rows(result.height, source.height)
