"""Plan of a QDQ graph: its layers, grouped and placed, as one file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn_exporters.targets.native.byte_ends import with_byte_ends
from edgecnn_exporters.targets.native.folding import simplify
from edgecnn_exporters.targets.native.layers import Image, IntegerNetwork, Layer
from edgecnn_exporters.targets.native.packing import Data, by_lanes, packed_weights
from edgecnn_exporters.targets.native.records import (
    GROUP,
    IN_ORDER,
    NONE,
    NOWHERE,
    OPERATION,
    TENSOR,
    PlanRecords,
    Records,
    Type,
)
from edgecnn_exporters.targets.native.schedule.grouping import Caches, Group, group_layers
from edgecnn_exporters.targets.native.schedule.least_memory import group_for_least_memory
from edgecnn_exporters.targets.native.schedule.memory import Layout, Memory, place

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True)
class Plan:
    """A network as a plan, before it is written.

    Attributes:
        groups: the layers in order of execution.
    """

    network: IntegerNetwork
    groups: tuple[Group, ...]
    memory: Memory

    def to_bytes(self) -> bytes:
        """The file."""
        return records_of(self).to_bytes()


def plan_of(
    model: ir.Model,
    caches: Caches | None = None,
    *,
    least_memory: bool = False,
    byte_io: bool = False,
) -> Plan:
    """The plan of a QDQ graph, which stays as it is.

    Args:
        least_memory: layers run row by row, in one thread, with the least memory. Never more than
            without: where rows save nothing, the plan is the usual one.
        byte_io: inputs and outputs are uint8, with the graph's scales and zero points. An output
            that the graph computes in floats stays float32.

    Raises:
        NoKernel: a node has no kernel, or stays float.
        UnsupportedModel: an input is no image and no vector.
    """
    from edgecnn_exporters.passes.fixed_batch import fix_batch
    from edgecnn_exporters.targets.native.graph import network_of

    copy = model.clone()
    fix_batch(copy, 1)
    network = simplify(network_of(copy.graph))
    if byte_io:
        network = with_byte_ends(network)
    groups = group_layers(network, caches)
    usual = Plan(network, groups, place(network, groups))
    if not least_memory:
        return usual
    groups = group_for_least_memory(network)
    return min(Plan(network, groups, place(network, groups)), usual, key=_memory_bytes)


def _memory_bytes(plan: Plan) -> int:
    return plan.memory.arena + plan.memory.scratch


def records_of(plan: Plan) -> PlanRecords:
    """The records of a plan."""
    network, data = plan.network, Data()
    order = _order(network)
    numbers = {name: number for number, name in enumerate(order)}
    names, offsets = _names(order)
    tensors: Any = np.zeros(len(order), TENSOR)
    for record, name in zip(tensors, order, strict=True):
        _write_tensor(record, network.images[name], plan.memory.layouts[name])
        record["name"] = offsets[name]
    layers = [
        (layer, plan.memory.pad_rows.get((number, index), NOWHERE))
        for number, group in enumerate(plan.groups)
        for index, layer in enumerate(group.layers)
    ]
    operations: Any = np.zeros(len(layers), OPERATION)
    for record, (layer, pad_row) in zip(operations, layers, strict=True):
        _write_operation(record, layer, numbers)
        _write_constants(record, layer, data)
        record["pad_row"] = pad_row
    memory = plan.memory
    groups = _write_groups(plan.groups)
    return PlanRecords(
        tensors, operations, groups, names, data.content(), memory.arena, memory.scratch
    )


def _order(network: IntegerNetwork) -> list[str]:
    """Inputs and outputs in their order, then the others as they are written."""
    written = [layer.output for layer in network.layers]
    return list(dict.fromkeys([*network.inputs, *network.outputs, *written]))


def _names(order: list[str]) -> tuple[bytes, dict[str, int]]:
    """The names' section, and the offset of each."""
    content, offsets = bytearray(), {}
    for name in order:
        offsets[name] = len(content)
        content += name.encode() + b"\0"
    return bytes(content), offsets


def _write_tensor(record: Any, image: Image, layout: Layout) -> None:
    is_float = image.encoding is None
    record["storage"] = layout.storage
    record["type"] = Type.FLOAT32 if is_float else Type.UINT8
    record["vector"] = image.is_vector
    record["height"], record["width"], record["channels"] = (*image.size, image.channels)
    record["pitch"], record["block"], record["rows"] = layout.pitch, layout.block, layout.rows
    record["pad_left"], record["pad_right"] = layout.pads
    record["pad_value"], record["offset"] = layout.pad_value, layout.offset
    if image.encoding is not None:
        record["scale"], record["zero_point"] = image.encoding.scale, image.encoding.zero_point


def _write_operation(record: Any, layer: Layer, numbers: dict[str, int]) -> None:
    window = layer.window
    inputs = [numbers[name] for name in layer.inputs]
    record["code"], record["flags"] = layer.code, layer.flags
    record["input"] = [*inputs, NONE][:2]
    record["output"] = numbers[layer.output]
    record["input_channel"], record["output_channel"] = layer.first_channel, layer.output_channel
    record["channels"], record["output_channels"] = layer.channels, layer.output_channels
    record["kernel_h"], record["kernel_w"] = window.kernel
    record["stride_h"], record["stride_w"] = window.stride
    record["dilation_h"], record["dilation_w"] = window.dilation
    record["pad_top"], record["pad_left"] = window.pads
    record["channel_groups"] = layer.groups
    record["zero_point"], record["low"], record["high"] = layer.zero_point, layer.low, layer.high
    record["zero_point_a"], record["zero_point_b"] = layer.zero_points
    record["factor_a"], record["factor_b"], record["factor_c"] = layer.factors


def _write_constants(record: Any, layer: Layer, data: Data) -> None:
    record["weights"] = data.put(packed_weights(layer))
    record["bias"] = data.put(None if layer.bias is None else by_lanes(layer.bias, "<i4"))
    multiplier = layer.multiplier
    record["multiplier"] = data.put(None if multiplier is None else by_lanes(multiplier, "<f4"))
    record["table"] = data.put(layer.table)


def _write_groups(groups: tuple[Group, ...]) -> Records:
    records: Any = np.zeros(len(groups), GROUP)
    first = 0
    for record, group in zip(records, groups, strict=True):
        record["first"], record["count"] = first, len(group.layers)
        record["strip_rows"] = group.strip_rows
        record["loop_first"], record["loop_count"] = group.loop
        record["flags"] = IN_ORDER if group.is_in_order else 0
        first += len(group.layers)
    result: Records = records
    return result
