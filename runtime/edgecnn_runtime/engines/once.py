"""A function's result, computed once in a process, however many threads ask for it first.

`functools.cache` calls the function again where a second thread asks before the first call ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import TypeVar

T = TypeVar("T")


def once(function: Callable[[], T]) -> Callable[[], T]:
    """The function, called at most once unless it raises; other threads wait for its result."""
    lock, cached = threading.Lock(), cache(function)

    def result() -> T:
        with lock:
            return cached()

    return result
