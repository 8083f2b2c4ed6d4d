"""The workers of a bench, whatever an engine starts in them."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from edgecnn_runtime.measure.job import Environment, Subject
from edgecnn_runtime.measure.worker_process import Worker

# What an engine leaves behind holds every pipe of its worker.
LEAVES_ONE_BEHIND = """
import os, sys, time
if child := os.fork():
    print('{"left": %d}' % child, flush=True)
time.sleep(60)
"""


def test_a_worker_is_closed_though_what_it_started_holds_its_pipes() -> None:
    worker = Worker(Subject("any.edge"), Environment((sys.executable, "-c", LEAVES_ONE_BEHIND)))
    left = worker.proof()["left"]
    worker.close()
    try:
        os.kill(left, 0)  # nobody has waited for its end
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(left, signal.SIGKILL)
