"""Work on samples in parallel threads, with its results in the samples' order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from edgecnn_runtime.host.processor import usable_cores

# Samples in work at a time: each holds the activations of one run of the network.
MOST_AT_ONCE = 4

T = TypeVar("T")
R = TypeVar("R")


def in_parallel(
    work: Callable[[T], R], items: Iterable[T], most: int = MOST_AT_ONCE
) -> Iterator[R]:
    """The results of a function in the order of the items, a few of which are in work at a time.

    One thread for each processor: two samples on one thread each take three fifths of the time of
    one after the other on two, for the layers of a network are small. ONNX Runtime, numpy and torch
    release Python's lock.

    Args:
        most: items that may be in work at a time.
    """
    at_once = min(most, usable_cores())
    if at_once == 1:
        yield from map(work, items)
        return
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) > at_once:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for each in pending:
                each.cancel()
