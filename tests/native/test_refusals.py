"""Plans that break a MUST of the format are refused, and the refusal names what is wrong."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
import pytest

from native.binding import PLAN, Library, Model, Refused
from native.cases import operation_cases
from native.damage import change, read, sections
from native.formulas import Window
from native.network import Image, Network, Place, by_16
from native.plan_bytes import ARENA, INPUT, NOWHERE, OUTPUT, Plan

NAN, INFINITE = float("nan"), float("inf")


def refusal(library: Library, plan: bytes) -> str:
    """What the library says to a plan; it does not open."""
    with pytest.raises(Refused) as refused:
        Model(library, plan).close()
    assert refused.value.code == PLAN
    return str(refused.value)


def network(make: Callable[[Network, Image], Image | None], **place: object) -> bytes:
    """QUANTISE of an image (16, 8, 8), what `make` adds in group 1, DEQUANTISE."""
    built = Network(np.random.default_rng(0), batch=1)
    x = built.image((16, 8, 8), Place(**place))
    y = make(built, x)
    built.group(8 if y is None or y.size[0] == 8 else y.size[0])
    if y is not None:
        built.output(y)
    return built.plan.to_bytes()


def windowed() -> bytes:
    """Tensors: input, image, result, output. Operation 1 is a 3x3 convolution."""
    three = Window((3, 3), pads=(1, 1))
    return network(lambda n, x: n.product("convolution", x, 20, three, size=(8, 8)), pads=(1, 1))


def pixelwise(code: str, *arguments: object) -> bytes:
    """Operation 1 is of another code, with x alone for its input."""
    return network(lambda n, x: getattr(n, code)(x, *arguments))


def looped() -> bytes:
    """[expand → depthwise → project], the first two by blocks of 64 of 128 channels."""
    built = Network(np.random.default_rng(0), batch=1)
    x = built.image((16, 8, 8))
    three = Window((3, 3), pads=(1, 1))
    y = built.product("convolution", x, 128, place=Place(4, 64, (1, 1)))
    y = built.product("depthwise", y, 128, three, size=(8, 8), place=Place(2))
    built.product("convolution", y, 16, place=Place(is_float=True))
    built.group(2, (0, 2))
    return built.plan.to_bytes()


HEADERS = [
    ({"version": 2}, "of version 2, this library reads version 1; install a later edgecnn-native"),
    ({"endian": 0x04030201}, "the other byte order"),
    ({"size": 1}, "its size is not that of the file"),
    ({"tensors": 2**32 - 1}, "too many records"),
    ({"tensors": 5}, "sections do not fill the file"),
    ({"operations": 2**31}, "too many records"),
    ({"groups": 0}, "the number of groups"),
    ({"groups": 2**32 - 1}, "the number of groups"),
    ({"names": 2**32 - 1}, "a section is larger than the file"),
    ({"names": 2}, "the last name has no end"),
    ({"data": 2**64 - 1}, "a section is larger than the file"),
    ({"data": 0}, "sections do not fill the file"),
    ({"arena": 0}, "tensor 1: it is outside its memory"),
    ({"arena": 2**64 - 1}, "more than 4 GiB of memory"),
    ({"scratch": 2**33}, "more than 4 GiB of memory"),
    ({"scratch": 0}, "its row of pads is outside the memory"),
]


@pytest.mark.parametrize(("fields", "words"), HEADERS)
def test_a_header_that_lies_is_refused(
    library: Library, fields: dict[str, int], words: str
) -> None:
    assert words in refusal(library, change(windowed(), "header", 0, **fields))


TENSORS = [
    (1, {"name": 10**6}, "its name is outside the names"),
    (1, {"storage": 5}, "its storage or type"),
    (1, {"type": 1}, "only uint8 is stored"),
    (1, {"height": 0}, "its height or width"),
    (1, {"height": 2**32 - 1}, "its height or width"),
    (1, {"width": 2**31}, "its height or width"),
    (1, {"channels": 0}, "its number of channels"),
    (1, {"channels": 17}, "its pitch"),
    (1, {"pitch": 8, "channels": 8, "block": 8}, "its pitch is no multiple of 16"),
    (1, {"pitch": 2**32 - 16, "block": 2**32 - 16}, "its pitch"),
    (1, {"block": 32}, "its channel block"),
    (1, {"block": 64}, "channel blocks without a ring"),
    (1, {"rows": 7}, "rows are missing"),
    (1, {"rows": 9}, "its rows"),
    (1, {"pad_left": 2**31}, "its pads"),
    (1, {"offset": 1}, "outside its memory"),
    (1, {"offset": 2**64 - 64}, "outside its memory"),
    (1, {"scale": NAN}, "its scale"),
    (1, {"reserved": 1}, "a reserved field is not 0"),
    (0, {"vector": 1}, "a vector of more than one pixel"),
    (3, {"vector": 2}, "a vector of more than one pixel"),
    (0, {"height": 2**15, "width": 2**15, "channels": 2**10}, "an array of more than 2 GiB"),
    (0, {"pitch": 16}, "a layout of the caller's array"),
]


@pytest.mark.parametrize(("index", "fields", "words"), TENSORS)
def test_a_tensor_outside_its_memory_is_refused(
    library: Library, index: int, fields: dict[str, float], words: str
) -> None:
    assert words in refusal(library, change(windowed(), "tensor", index, **fields))


WINDOWS = [
    ({"code": 0}, "its code 0 is none of version 1"),
    ({"code": 21}, "its code 21 is none of version 1"),
    ({"flags": 2}, "a reserved field is not 0"),
    ({"reserved": 1}, "a reserved field is not 0"),
    ({"input": 4}, "its tensors"),
    ({"output": 2**32 - 1}, "its tensors"),
    ({"input": 0}, "it must not read such an input"),
    ({"output": 0}, "writes an input or reads an output"),
    ({"input": 3}, "writes an input or reads an output"),
    ({"other": 1}, "its second input"),
    ({"low": -1}, "its range"),
    ({"low": 200, "high": 100}, "its range"),
    ({"high": 256}, "its range"),
    ({"zero_point": 256}, "a zero point"),
    ({"channels": 17}, "reads channels that its input lacks"),
    ({"channels": 0}, "no channels"),
    ({"channels": 2**32 - 1}, "reads channels that its input lacks"),
    ({"input_channel": 2**32 - 4}, "reads channels that its input lacks"),
    ({"input_channel": 2, "channels": 8}, "its first channel is no multiple of 4"),
    ({"output_channels": 33}, "writes channels that its output lacks"),
    ({"output_channel": 16}, "writes channels that its output lacks"),
    ({"output_channel": 8, "output_channels": 16}, "first output channel is no multiple of 16"),
    ({"kernel_h": 0}, "a kernel, stride or dilation of 0"),
    ({"stride_w": 0}, "a kernel, stride or dilation of 0"),
    ({"dilation_h": 0}, "a kernel, stride or dilation of 0"),
    ({"kernel_w": 5}, "its windows pass the right pads"),
    ({"dilation_w": 65535}, "its windows pass the right pads"),
    ({"stride_w": 65535}, "its windows pass the right pads"),
    ({"pad_left": 0}, "its windows pass the right pads"),
    ({"pad_left": 2}, "its pads"),
    ({"pad_top": 65535}, "its pads"),
    ({"stride_h": 65535}, "its windows pass the bottom"),
    ({"pad_row": NOWHERE}, "its row of pads is outside the memory"),
    ({"pad_row": 2**40}, "its row of pads is outside the memory"),
    ({"weights": NOWHERE}, "its weights are outside the data"),
    ({"weights": 2**63}, "its weights are outside the data"),
    ({"bias": 64 * 1000}, "its bias is outside the data"),
    ({"multiplier": 2}, "its multipliers are outside the data"),
    ({"table": 2**32}, "its table is outside the data"),
    ({"channel_groups": 0}, "its channel groups"),
    ({"channel_groups": 2}, "channel groups without OP_GROUPED"),
    ({"factor_a": NAN}, "a factor"),
    ({"factor_b": -INFINITE}, "a factor"),
    ({"factor_c": 1e7}, "a factor above a million"),
]


@pytest.mark.parametrize(("fields", "words"), WINDOWS)
def test_a_convolution_that_leaves_its_tensors_is_refused(
    library: Library, fields: dict[str, float], words: str
) -> None:
    assert words in refusal(library, change(windowed(), "operation", 1, **fields))


def test_a_row_of_pads_that_no_window_needs_lies_within_the_memory_too(library: Library) -> None:
    plan = network(lambda n, x: n.product("convolution", x, 16))
    assert "row of pads is outside" in refusal(library, change(plan, "operation", 1, pad_row=2**40))
    pooled = pixelwise("global_pool")
    assert "without windows" in refusal(library, change(pooled, "operation", 0, pad_row=0))


@pytest.mark.parametrize("code", ["resize", "pad", "global_pool"])
def test_what_reads_all_rows_has_no_window(library: Library, code: str) -> None:
    plan = next(iter(operation_cases(code, 1))).plan
    for fields in ({"stride_h": 0}, {"stride_h": 65535}, {"kernel_h": 3}):
        words = refusal(library, change(plan, "operation", 1, **fields))
        assert "0" in words or "a window where there is none" in words


PARAMETERS = [
    ("bias", "<i", 2**31 - 1, "its sums may leave 32 bits"),
    ("bias", "<i", -(2**31), "its sums may leave 32 bits"),
    ("multiplier", "<f", NAN, "a multiplier is not a finite number"),
    ("multiplier", "<f", INFINITE, "a multiplier is not a finite number"),
    ("multiplier", "<f", 1e9, "a scaled sum may leave 32 bits"),
]


@pytest.mark.parametrize("channel", [0, 19, 31])
@pytest.mark.parametrize(("field", "code", "value", "words"), PARAMETERS)
def test_parameters_that_overflow_are_refused_behind_the_last_channel_too(
    library: Library, field: str, code: str, value: float, words: str, channel: int
) -> None:
    plan = bytearray(windowed())
    at = sections(plan).data + read(plan, "operation", 1, field) + 4 * channel
    struct.pack_into(code, plan, at, value)
    assert words in refusal(library, bytes(plan))


def test_sums_of_pools_and_products_fit_32_bits(library: Library) -> None:
    pool = change(pixelwise("global_pool"), "operation", 1, factor_a=9e5)
    assert "a scaled sum may leave 32 bits" in refusal(library, pool)
    multiply = network(lambda n, x: n.multiply(x, x))
    assert "a scaled sum" in refusal(library, change(multiply, "operation", 1, factor_a=9e5))
    wide = Plan()
    x, y, z = (
        wide.tensor(storage, shape)
        for storage, shape in ((INPUT, (1, 1, 1)), (ARENA, (1, 8192, 8192)), (ARENA, (1, 1, 1)))
    )
    wide.operation("global_pool", (y,), z, 1, factors=(1e-9, 0, 0))
    wide.group(0, 1, 1)
    assert x == 0
    assert "its sums may leave 32 bits" in refusal(library, wide.to_bytes())


def mapped(plan: bytes, numbers: list[int]) -> bytes:
    """Operation 1 begins its map with other numbers."""
    at = sections(plan).data + read(plan, "operation", 1, "weights")
    return plan[:at] + struct.pack(f"<{len(numbers)}I", *numbers) + plan[at + 4 * len(numbers) :]


def test_maps_stay_within_the_input(library: Library) -> None:
    shuffle = pixelwise("shuffle", np.arange(16, dtype=np.uint32))
    resize = pixelwise("resize", np.zeros(1, np.uint32), np.zeros(1, np.uint32))
    Model(library, shuffle).close()
    Model(library, mapped(resize, [7, 7])).close()
    for plan in (
        mapped(shuffle, [16]),
        mapped(shuffle, [2**32 - 1]),
        mapped(resize, [8, 0]),
        mapped(resize, [0, 8]),
    ):
        assert "its map points outside the input" in refusal(library, plan)
    beyond = change(shuffle, "operation", 1, weights=2**20)
    assert "its map is outside the data" in refusal(library, beyond)


GROUPS = [
    (1, {"first": 0}, "group 1: its operations"),
    (1, {"first": 2}, "group 1: its operations"),
    (0, {"count": 2}, "group 1: its operations"),
    (0, {"count": 0}, "group 0: its operations"),
    (2, {"count": 2**32 - 1}, "group 2: its operations"),
    (1, {"strip_rows": 0}, "its strip"),
    (1, {"strip_rows": 9}, "its strip"),
    (1, {"loop_first": 2}, "its channel loop"),
    (1, {"loop_first": 1, "loop_count": 2**32 - 1}, "its channel loop"),
    (1, {"flags": 2}, "a reserved field is not 0"),
    (1, {"reserved": 1}, "a reserved field is not 0"),
]


@pytest.mark.parametrize(("index", "fields", "words"), GROUPS)
def test_groups_that_overlap_or_leave_gaps_are_refused(
    library: Library, index: int, fields: dict[str, int], words: str
) -> None:
    assert words in refusal(library, change(windowed(), "group", index, **fields))


def test_a_loop_of_channels_is_by_whole_blocks(library: Library) -> None:
    Model(library, looped()).close()
    outside = change(looped(), "group", 1, loop_count=1)
    assert "channel blocks outside the loop" in refusal(library, outside)
    itself = change(looped(), "group", 1, loop_count=3)
    assert "loop" in refusal(library, itself)
    narrower = change(looped(), "operation", 1, output_channels=64)
    assert "the channels of its loop differ" in refusal(library, narrower)
    # The depthwise convolution would read what the other threads' blocks of the expansion become.
    later = change(
        change(looped(), "tensor", 2, pitch=192, channels=192), "header", 0, scratch=2**20
    )
    Model(library, later).close()
    later = change(later, "operation", 2, input_channel=64)
    assert "reads other channels of what its loop makes" in refusal(library, later)
    shifted = change(looped(), "operation", 1, output_channels=112, output_channel=16)
    shifted = change(shifted, "operation", 2, output_channels=112, channels=112)
    assert "channel blocks that begin elsewhere" in refusal(library, shifted)


def test_a_ring_of_fewer_rows_than_are_alive_is_refused(library: Library) -> None:
    assert "a ring is too small for its strips" in refusal(
        library, change(looped(), "tensor", 2, rows=3)
    )
    Model(library, change(looped(), "group", 1, strip_rows=1)).close()
    assert "a ring is too small" in refusal(library, change(looped(), "group", 1, strip_rows=3))


def test_strips_leave_out_no_row_of_a_stored_tensor(library: Library) -> None:
    # A stored image, a ring that equals it, and every second row of that: two threads would leave
    # out the row before the second one's first.
    built = Network(np.random.default_rng(0), batch=1)
    y = built.table(built.image((16, 8, 1)))
    z = built.table(y, Place(ring=8))
    z = built.pool("max_pool", z, Window(stride=(2, 1)), (4, 1))
    built.group(4)
    built.output(y)
    Model(library, built.plan.to_bytes()).close()
    strips = change(built.plan.to_bytes(), "group", 1, strip_rows=1)
    assert "no strip makes some rows of a stored tensor" in refusal(library, strips)


def test_what_nothing_wrote_is_not_read(library: Library) -> None:
    plan = network(lambda n, x: n.add(x, x))
    unwritten = change(plan, "operation", 1, other=2)
    assert "reads what none before it has written" in refusal(library, unwritten)
    later = change(windowed(), "operation", 0, output=2)
    assert "reads what none before it has written" in refusal(library, later)


def test_every_channel_of_an_output_is_written(library: Library) -> None:
    spare = Plan()
    x = spare.tensor(INPUT, (1, 1, 1))
    y = spare.tensor(ARENA, (1, 1, 1))
    spare.tensor(OUTPUT, (1, 1, 1))
    spare.operation("quantise", (x,), y, 1, factors=(1, 0, 0))
    spare.group(0, 1, 1)
    assert "tensor 2: an output that is not written" in refusal(library, spare.to_bytes())
    # Two halves; then the first half twice.
    halves = Plan()
    x, y, z = (halves.tensor(each, (2, 1, 1)) for each in (INPUT, ARENA, OUTPUT))
    halves.operation("quantise", (x,), y, 2, factors=(1, 0, 0))
    for channel in (1, 0):
        halves.operation("dequantise", (y,), z, 1, at=(channel, channel), factors=(1, 0, 0))
    for number in range(3):
        halves.group(number, 1, 1)
    Model(library, halves.to_bytes()).close()
    twice = change(halves.to_bytes(), "operation", 1, output_channel=0)
    assert "tensor 2: an output that is not written" in refusal(library, twice)


def test_a_second_input_of_another_size_is_refused(library: Library) -> None:
    plan = network(lambda n, x: n.add(x, x))
    for fields in ({"width": 7}, {"height": 7, "rows": 7}):
        assert "size" in refusal(library, change(plan, "tensor", 2, **fields))
    assert "its second input" in refusal(library, change(plan, "operation", 1, other=2**31))
    assert "its second input is the caller's" in refusal(
        library, change(plan, "operation", 1, other=0)
    )


@pytest.mark.parametrize("size", [0, 1, 8, 63])
def test_a_file_too_short_for_its_header_is_no_plan(library: Library, size: int) -> None:
    assert "this is not a plan" in refusal(library, windowed()[:size])


def test_a_plan_cut_short_at_any_section_is_refused(library: Library) -> None:
    plan = windowed()
    found = sections(plan)
    ends = [found.tensors, found.operations, found.groups, found.names, found.data, found.end - 64]
    for end in (*ends, *(each + 1 for each in ends), len(plan) - 1):
        assert "its size is not that of the file" in refusal(library, plan[:end])
        sized = change(plan, "header", 0, size=end)[:end]
        assert "section" in refusal(library, sized)


def test_checks_of_the_longest_plans_are_bounded(library: Library) -> None:
    # 8,000 operations on images of 32,768 rows, in groups of 250 and strips of one row; and as many
    # convolutions that share the weights of one. Unbounded, each takes minutes.
    tall = Plan()
    x = tall.tensor(INPUT, (1, 1, 1))
    y = tall.tensor(ARENA, (1, 1, 1))
    images = [tall.tensor(ARENA, (1, 2**15, 1)) for _ in range(2)]
    tall.operation("quantise", (x,), y, 1, factors=(1, 0, 0))
    tall.operation("resize", (y,), images[0], 1, weights=np.zeros(2**15 + 1, np.uint32))
    for number in range(8000):
        tall.operation("table", (images[number % 2],), images[1 - number % 2], 1)
    tall.group(0, 1, 1)
    tall.group(1, 1, 2**15)
    for number in range(32):
        tall.group(2 + 250 * number, 250, 1)
    assert "too many strips" in refusal(library, tall.to_bytes())
    for count, columns in ((8000, 24), (500, 1)):
        assert "more shared weights" in refusal(library, sharing(count, columns))


def sharing(count: int, columns: int) -> bytes:
    """Depthwise operations that share weights and biases of 131,072 channels."""
    plan = Plan()
    channels = 2**17
    x = plan.tensor(INPUT, (1, 1, 1))
    y = plan.tensor(ARENA, (1, 1, 1))
    wide = plan.tensor(ARENA, (channels, 1, 1), pads=(0, columns - 1))
    result = plan.tensor(ARENA, (channels, 1, 1))
    plan.operation("quantise", (x,), y, 1, factors=(1, 0, 0))
    plan.operation("channels", (y,), wide, 1, channels, weights=np.zeros(channels, np.uint32))
    parameters = (np.zeros(channels * columns, np.int8), np.zeros(channels, np.int32))
    first = plan.operation(
        "depthwise", (wide,), result, channels, kernel=(1, columns),
        weights=parameters[0], bias=parameters[1], multiplier=by_16(np.zeros(channels, np.float32)),
    )  # fmt: skip
    plan.operations += [plan.operations[first]] * count
    for number in range(len(plan.operations)):
        plan.group(number, 1, 1)
    return plan.to_bytes()
