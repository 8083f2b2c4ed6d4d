"""Memory and time that a bundle may cost, set by whoever opens it. Needs no numpy."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

MEMORY_BYTES = 3 << 29
STEP_SECONDS = 15.0
# While ONNX Runtime opens a model it holds the weights three times: read, parsed, packed.
WEIGHT_COPIES = 4
# Of each thread of an engine: its stack (8 MiB) and what its allocator sets aside.
THREAD_BYTES = 32 << 20


@dataclass(frozen=True)
class Budget:
    """The most that a bundle may cost. Nothing in a bundle can raise it.

    Attributes:
        memory_bytes: of the process that opens it, beyond what Python and the engine's threads
            take, and `WEIGHT_COPIES` times the size of its file.
        step_seconds: of opening an artefact, and of each of its runs.
    """

    memory_bytes: int = MEMORY_BYTES
    step_seconds: float = STEP_SECONDS

    def step(self) -> AbstractContextManager[None]:
        """Around opening an artefact and around each run; a `HeldBudget` limits its time."""
        return contextlib.nullcontext()

    def options(self) -> list[str]:
        """Command-line options of the agent for this budget."""
        return ["--max-memory", str(self.memory_bytes), "--max-seconds", str(self.step_seconds)]


class HeldBudget(Budget):
    """A budget that the operating system holds this process to. Made by `hold_process`."""

    @contextlib.contextmanager
    def step(self) -> Iterator[None]:
        """End the process by SIGALRM if the body takes longer than `step_seconds`.

        An engine that computes is not interrupted by Python: the signal's default action ends it.
        """
        signal.setitimer(signal.ITIMER_REAL, self.step_seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def hold_process(budget: Budget, *bundles: str) -> Budget:
    """Hold this process, which opens these files, to `budget` from here on.

    Memory is limited on Linux, by RLIMIT_DATA: private memory that may be written. RLIMIT_AS would
    count the address space that allocators reserve as well, gigabytes on many cores. Time is
    limited wherever there are signals.
    """
    if not hasattr(signal, "setitimer"):  # Windows
        return budget
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if sys.platform == "linux":
        import resource

        size = sum(path.stat().st_size for path in map(Path, bundles) if path.is_file())
        threads = THREAD_BYTES * (os.cpu_count() or 1)
        most = _data_bytes() + threads + WEIGHT_COPIES * size + budget.memory_bytes
        soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
        limits = [one for one in (soft, hard) if one != resource.RLIM_INFINITY]
        resource.setrlimit(resource.RLIMIT_DATA, (min([most, *limits]), hard))
    return HeldBudget(budget.memory_bytes, budget.step_seconds)


def _data_bytes() -> int:
    """Private memory of this process that may be written, as RLIMIT_DATA counts it."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0
