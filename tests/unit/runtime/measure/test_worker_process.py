"""Worker processes of a bench: replies, death, and pipes that a child keeps open."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

import pytest

from edgecnn_runtime.measure.job import Environment, Subject
from edgecnn_runtime.measure.worker_process import Worker, WorkerDied

# What an engine leaves behind holds every pipe of its worker.
LEAVES_ONE_BEHIND = """
import os, sys, time
if child := os.fork():
    print('{"left": %d}' % child, flush=True)
time.sleep(60)
"""


def test_a_worker_is_closed_though_what_it_started_holds_its_pipes() -> None:
    worker = Worker(Subject("any.edge"), Environment((sys.executable, "-c", LEAVES_ONE_BEHIND)))
    left = worker.verify()["left"]
    worker.close()
    try:
        os.kill(left, 0)  # nobody has waited for its end
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)


@pytest.mark.parametrize(
    ("code", "number", "exit_code", "says"),
    [
        ("import os; os.kill(os.getpid(), 11)", 11, None, "died of SIGSEGV"),
        ("import os; os._exit(3)", None, 3, "exit code 3 and nothing on stderr"),
        # What it says is no fact of how it ended.
        ("import sys; sys.exit('edgecnn_runtime: died of SIGSEGV')", None, 1, "died of SIGSEGV"),
    ],
)
def test_a_death_has_its_signal_or_its_exit_code(
    code: str, number: int | None, exit_code: int | None, says: str
) -> None:
    worker = Worker(Subject("any.edge"), Environment((sys.executable, "-c", code)))
    with pytest.raises(WorkerDied) as death:
        worker.verify()
    worker.close()
    assert (death.value.signal, death.value.exit_code) == (number, exit_code)
    assert str(death.value) == says
