"""Plans with the least memory: chains of rings, their groups, and 8-bit inputs and outputs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import onnx_ir as ir
from plans.executor import Executor
from plans.networks import SAMPLES, quantised
from plans.plan_file import PlanFile, read

import edgecnn_native
from edgecnn_exporters.targets.native import write_plan
from edgecnn_exporters.targets.native.layers import IntegerNetwork, Role
from edgecnn_exporters.targets.native.schedule.grouping import Group
from edgecnn_exporters.targets.native.schedule.memory import place
from edgecnn_exporters.targets.native.schedule.row_order import ring_rows
from edgecnn_exporters.targets.native.write import Plan, plan_of

SAME = "pads = [1, 1, 1, 1]"
# Two residuals, a stride, classes.
CHAIN = (
    f"a = Conv (x, back6) b = Conv <group = 6, {SAME}> (a, wise) c = Add (b, a) "
    f"d = Conv <group = 6, {SAME}> (c, wise) e = Add (d, c) "
    f"f = Conv <group = 6, {SAME}, strides = [2, 2]> (e, wise) g = Conv (f, point) "
    "h = GlobalAveragePool (g) y = Conv (h, back)"
)
ARENA, ARENA_RING, GLOBAL_POOL, NOWHERE = 2, 4, 11, 2**64 - 1


def least(body: str, *, byte_io: bool = False) -> PlanFile:
    model = quantised(body).model
    return read(plan_of(model, least_memory=True, byte_io=byte_io).to_bytes())


def test_a_network_is_one_chain_of_rings_up_to_its_pool() -> None:
    plan = least(CHAIN)
    group, classes = plan.groups
    assert (classes.count, group.strip_rows, group.loop_count, group.flags) == (2, 1, 0, 1)
    rows = {tensor.name: tensor.rows for tensor in plan.tensors if tensor.storage == ARENA_RING}
    # Windows of three rows; the image that both a window and a sum read has no more.
    assert [rows[name] for name in "abcdefg"] == [3, 1, 3, 1, 3, 1, 1]
    (pool,) = (each for each in plan.operations if each.code == GLOBAL_POOL)
    assert pool.pad_row != NOWHERE


def test_pad_rows_of_one_value_share_a_place() -> None:
    plan = least(f"a = Conv <group = 6, {SAME}> (x, wise) b = MaxPool <kernel_shape = [3, 3]> (a) "
                 f"y = Conv <group = 6, {SAME}> (b, wise)")  # fmt: skip
    values: dict[int, set[int]] = {}
    for each in plan.operations:
        if each.pad_row != NOWHERE:
            values.setdefault(plan.tensors[each.inputs[0]].pad_value, set()).add(each.pad_row)
    assert all(len(places) == 1 for places in values.values())


def partitions(network: IntegerNetwork) -> Iterator[tuple[Group, ...]]:
    """All divisions of the layers into groups that run in order."""
    count = len(network.layers)
    for size in range(count):
        for cuts in combinations(range(1, count), size):
            yield tuple(group(network, *ends) for ends in pairwise((0, *cuts, count)))


def group(network: IntegerNetwork, begin: int, end: int) -> Group:
    layers = network.layers[begin:end]
    outside = network.layers[:begin] + network.layers[end:]
    taken = {name for layer in outside for name in (*layer.inputs, layer.output)}
    rings = {
        layer.output
        for layer in layers
        if layer.output not in taken and network.images[layer.output].role is Role.INNER
    }
    return Group(layers, 1, ring_rows(layers, network.images, rings), is_in_order=True)


def test_no_other_groups_need_less_memory() -> None:
    # A wide image behind a narrow one: a chain to the end would need the most.
    body = (
        f"a = Conv <{SAME}, strides = [2, 2]> (x, full) b = Conv <pads = [2, 2, 2, 2], group = 1> "
        f"(x, many) c = MaxPool <kernel_shape = [5, 5], strides = [5, 5]> (b) y = Relu (c)"
    )
    for each in (CHAIN, body):
        plan = plan_of(quantised(each).model, least_memory=True)
        needs = [place(plan.network, groups).arena for groups in partitions(plan.network)]
        assert plan.memory.arena == min(needs) < max(needs)


def test_all_groups_give_the_same_where_layers_write_channels_behind_their_own() -> None:
    # The convolution writes 32 channels, of which the copy then writes 6 anew, in every row.
    net = quantised("a = Conv (x, point) b = Relu (a) y = Concat <axis = 1> (b, x)")
    usual = plan_of(net.model)
    (expected,) = Executor(read(usual.to_bytes())).run(SAMPLES[0][0])
    for groups in partitions(usual.network):
        plan = Plan(usual.network, groups, place(usual.network, groups)).to_bytes()
        np.testing.assert_equal(Executor(read(plan)).run(SAMPLES[0][0])[0], expected)
        with edgecnn_native.Model(plan) as model:
            np.testing.assert_equal(model.run(SAMPLES[:1])[0][0], expected)


def test_inputs_and_outputs_of_8_bits_are_those_that_the_graph_holds() -> None:
    net = quantised(CHAIN)
    floats = read(plan_of(net.model).to_bytes())
    plan = least(CHAIN, byte_io=True)
    image, result = plan.tensors[:2]
    assert (image.type, result.type) == (0, 0)
    assert net.encoding is not None
    assert np.float32(result.scale) == np.float32(net.encoding.scale)
    assert result.zero_point == net.encoding.zero_point
    fed = np.rint(SAMPLES[0][0] / np.float32(image.scale)) + image.zero_point
    (found,) = Executor(plan).run(np.clip(fed, 0, 255).astype(np.uint8))
    (expected,) = Executor(floats).run(SAMPLES[0][0])
    assert found.dtype == np.uint8
    np.testing.assert_equal(net.encoding.dequantise(found), expected)


def test_a_result_in_floats_stays_one() -> None:
    plan = least("[result] y = Conv (x, point, summand)", byte_io=True)
    assert [tensor.type for tensor in plan.tensors[:2]] == [0, 1]


def test_a_file_is_written_as_a_graph_is(tmp_path: Path) -> None:
    model = quantised(CHAIN).model
    graph, path = tmp_path / "model.onnx", tmp_path / "model.plan"
    ir.save(model, graph)
    write_plan(graph, path, least_memory=True, byte_io=True)
    assert path.read_bytes() == plan_of(model, least_memory=True, byte_io=True).to_bytes()
