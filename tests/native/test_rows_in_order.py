"""Groups that run in order: results, and refusals of plans that break their MUSTs."""

from __future__ import annotations

from native.binding import Library, Model
from native.damage import change, read
from native.plan_bytes import ARENA, ARENA_RING, CODES, INPUT, NOWHERE, RING, Plan
from native.rows_in_order import chains_in_order
from native.test_kernels import check
from native.test_refusals import refusal


def test_chains_of_rings_equal_their_formulas_in_any_number_of_threads(library: Library) -> None:
    check(library, chains_in_order(24))


def test_a_ring_of_fewer_rows_than_a_window_reads_is_refused(library: Library) -> None:
    refused = 0
    for case in chains_in_order(12, spare=False):
        Model(library, case.plan).close()
        for number in range(read(case.plan, "header", 0, "tensors")):
            storage, rows, height = (
                read(case.plan, "tensor", number, field) for field in ("storage", "rows", "height")
            )
            # Windows of stride 2 read two of three rows at once.
            if storage in (RING, ARENA_RING) and rows > 1 and height != 3:
                smaller = change(case.plan, "tensor", number, rows=rows - 1)
                assert "a ring is too small for its rows" in refusal(library, smaller)
                refused += 1
    assert refused > 20


def chain() -> bytes:
    """Group 1 runs in order and has a pool over several rows."""
    return list(chains_in_order(3, batch=1))[2].plan


def place_of_pool(plan: bytes) -> int:
    """The operation that sums rows."""
    count = read(plan, "header", 0, "operations")
    codes = [read(plan, "operation", number, "code") for number in range(count)]
    return codes.index(CODES.index("global_pool") + 1)


def test_what_one_thread_must_run_is_refused_elsewhere(library: Library) -> None:
    plan = chain()
    Model(library, plan).close()
    assert "of a group that runs in order" in refusal(library, change(plan, "group", 1, flags=0))
    for fields in ({"strip_rows": 2}, {"loop_count": 1}):
        words = refusal(library, change(plan, "group", 1, **fields))
        assert "in a group that runs in order" in words
    # A ring in the arena is not for the groups behind.
    later = read(plan, "group", 2, "first")
    ring = next(
        number
        for number in range(read(plan, "header", 0, "tensors"))
        if read(plan, "tensor", number, "storage") == ARENA_RING
    )
    words = refusal(library, change(plan, "operation", later, input=ring))
    assert "reads what none before it has written" in words or "another size" in words


def test_sums_lie_within_the_scratch_memory(library: Library) -> None:
    plan = chain()
    pool = place_of_pool(plan)
    for at in (32, 2**40, read(plan, "header", 0, "scratch")):
        words = refusal(library, change(plan, "operation", pool, pad_row=at))
        assert "its sums are outside the memory" in words
    # Without sums it reads all rows at once, of a ring that has few.
    words = refusal(library, change(plan, "operation", pool, pad_row=NOWHERE))
    assert "a ring is too small for its rows" in words


def test_the_longest_orders_of_rows_are_bounded(library: Library) -> None:
    tall = Plan()
    x = tall.tensor(INPUT, (1, 2**15, 1))
    y = [tall.tensor(ARENA, (1, 2**15, 1)) for _ in range(2)]
    tall.operation("quantise", (x,), y[0], 1, factors=(1, 0, 0))
    for number in range(255):
        tall.operation("table", (y[number % 2],), y[1 - number % 2], 1)
    tall.group(0, 256, 1, in_order=True)
    assert "too many strips" in refusal(library, tall.to_bytes())
