"""The script that calls edgecnn, kept out of the processes that edgecnn starts.

A process that `multiprocessing` spawns imports the main script first, to find what it is sent. What
edgecnn sends is its own: without this a script of the user's would run again in each process, and
end there with an error where it has no ``if __name__ == "__main__"``.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from types import ModuleType

_TURN = threading.RLock()


@contextlib.contextmanager
def caller_script_left_out() -> Iterator[None]:
    """Processes that are started in the block do not import the main script.

    Threads take turns: one that saved the other's empty module would leave it there for good.
    """
    with _TURN:
        script = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = script
