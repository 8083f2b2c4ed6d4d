"""A function that runs in a background thread, and its result.

`concurrent.futures` does the same, and imports logging: 5 ms of every cold start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Background(threading.Thread, Generic[T]):
    """Thread that runs a function from now on; `result` waits for it."""

    def __init__(self, function: Callable[[], T]) -> None:
        super().__init__()
        self._function = function
        self._value: list[T] = []
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._value.append(self._function())
        except BaseException as error:
            self._error = error

    def result(self) -> T:
        """The function's return value; raises the error that it raised."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._value[0]
