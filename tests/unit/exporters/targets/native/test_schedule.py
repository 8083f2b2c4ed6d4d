"""Groups, strips, rings and memory of plans."""

from __future__ import annotations

import numpy as np
import pytest
from plans.networks import quantised
from plans.plan_file import PlanFile, read

from edgecnn_exporters.targets.native.errors import PlanInvalid
from edgecnn_exporters.targets.native.layers import Window
from edgecnn_exporters.targets.native.records import read_plan
from edgecnn_exporters.targets.native.schedule.grouping import Caches
from edgecnn_exporters.targets.native.schedule.memory import Interval, assign
from edgecnn_exporters.targets.native.write import plan_of

SAME = "pads = [1, 1, 1, 1]"
BLOCK = (
    f"a = Conv (x, many) b = Relu (a) c = Conv <group = 80, {SAME}> (b, many3) d = Relu (c) "
    "e = Conv (d, many_back) y = Add (x, e)"
)
QUANTISE, DEQUANTISE, CONVOLUTION, DEPTHWISE, ADD, RING = 1, 2, 3, 4, 6, 3


def plan(body: str, caches: Caches | None = None) -> PlanFile:
    return read(plan_of(quantised(body).model, caches).to_bytes())


def test_an_inverted_residual_is_one_group_with_a_channel_loop() -> None:
    found = plan(BLOCK)
    (group,) = found.groups
    codes = [operation.code for operation in found.operations]
    assert codes == [QUANTISE, CONVOLUTION, DEPTHWISE, CONVOLUTION, ADD, DEQUANTISE]
    assert (group.loop_first, group.loop_count) == (1, 2)
    wide, deep = (found.tensors[operation.output] for operation in found.operations[1:3])
    assert (wide.storage, wide.pitch, wide.block) == (RING, 80, 64)
    assert (deep.storage, deep.pitch, deep.block) == (RING, 80, 80)
    assert found.arena == 0


def test_small_caches_make_strips_of_few_rows_and_short_rings() -> None:
    found = plan(BLOCK, Caches(ring=4 * 13 * 64))
    (group,) = found.groups
    assert group.strip_rows == 2
    # Two rows of 3×3 windows need four rows.
    assert found.tensors[found.operations[1].output].rows == 4


def test_a_tensor_has_the_pads_that_windows_reach() -> None:
    found = plan("y = Conv <pads = [0, 4, 0, 1], strides = [1, 2]> (x, tall)")
    image = next(tensor for tensor in found.tensors if tensor.storage == RING)
    # The last window of two columns begins at the last of eleven.
    assert (image.pad_left, image.pad_right) == (4, 1)
    assert image.pad_value == image.zero_point


def test_rows_of_a_window() -> None:
    window = Window(kernel=(3, 3), stride=(2, 2), dilation=(2, 1), pads=(1, 1))
    assert window.rows(0, 2, 9) == (0, 6)
    assert window.rows(3, 4, 9) == (5, 9)
    assert window.leaves_rows(4, 9)
    assert not Window(kernel=(2, 2), stride=(2, 2)).leaves_rows(4, 8)


def test_memory_is_used_again_and_never_shared_at_once() -> None:
    intervals = [
        Interval("a", 100, 0, 1),
        Interval("b", 300, 1, 2),
        Interval("c", 128, 2, 3),
        Interval("d", 1, 0, 3),
    ]
    offsets, total = assign(intervals)
    taken: dict[int, np.ndarray] = {group: np.zeros(total, int) for group in range(4)}
    for each in intervals:
        assert offsets[each.name] % 64 == 0
        for group in range(each.first, each.last + 1):
            taken[group][offsets[each.name] : offsets[each.name] + each.size] += 1
    assert max(int(row.max()) for row in taken.values()) == 1
    assert total == 320 + 128 + 64


def test_the_same_graph_gives_the_same_bytes() -> None:
    model = quantised(BLOCK).model
    assert plan_of(model).to_bytes() == plan_of(model).to_bytes()


def test_records_are_read_as_they_were_written() -> None:
    content = plan_of(quantised(BLOCK).model).to_bytes()
    records = read_plan(content)
    assert records.to_bytes() == content
    assert [int(code) for code in records.operations["code"]] == [
        operation.code for operation in read(content).operations
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"short", "5 bytes are no plan"),
        (bytes(64), r"begins with b'\\x00.*, version 0; expected b'EDGEPLAN', version 1"),
    ],
)
def test_what_is_no_plan_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(PlanInvalid, match=message):
        read_plan(content)


def test_a_plan_that_is_cut_short_is_refused() -> None:
    content = plan_of(quantised("y = Conv (x, point)").model).to_bytes()
    with pytest.raises(PlanInvalid, match=f"the file has {len(content) - 64} bytes, its header"):
        read_plan(content[:-64])


def test_a_ring_holds_rows_that_windows_skip() -> None:
    found = plan(
        "a = Conv (x, point) y = MaxPool <kernel_shape = [1, 1], strides = [2, 2]> (a)",
        Caches(layer=1, least_strips=9),
    )
    rows = found.groups[0].strip_rows
    # Strips of the pool begin two rows apart for each row of theirs, and the row between is made.
    assert found.tensors[found.operations[1].output].rows == 2 * rows


def test_an_image_that_a_sum_reads_has_sixteen_channels() -> None:
    body = "a = Conv (x, three_by_three) b = Add (a, x) y = Conv (b, three_by_three)"
    net = quantised(body, reads="float[N, 3, 9, 11] x")
    found = read(plan_of(net.model).to_bytes())
    assert {tensor.pitch for tensor in found.tensors if tensor.storage == RING} == {16}
