from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from edgecnn_exporters.quantise import in_parallel as module
from edgecnn_exporters.quantise.in_parallel import in_parallel


@pytest.fixture(autouse=True)
def _four_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 4)


def test_results_come_in_the_order_of_the_items_whichever_is_ready_first() -> None:
    later = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert later.wait(10)
        else:
            later.set()
        return item * item

    assert list(in_parallel(work, range(9))) == [n * n for n in range(9)]


def test_no_more_items_are_taken_than_are_in_work() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = in_parallel(lambda item: item, items(), most=2)
    for number in range(20):
        assert next(results) == number
        assert len(taken) <= number + 3


def test_an_error_reaches_the_caller_in_its_place() -> None:
    def work(item: int) -> int:
        return 1 // (3 - item)

    results = in_parallel(work, range(9))
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_a_caller_who_stops_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    results = in_parallel(lambda item: item, range(1000))
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
