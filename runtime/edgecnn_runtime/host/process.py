"""Cold start time and peak memory, measured in a fresh process."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn_runtime.errors import MeasureError

TIMEOUT_S = 120
AGENT_PREFIX = "edgecnn_runtime: "
"""Of the line on stderr by which the agent says why it ended."""


@dataclass(frozen=True)
class ColdStart:
    """From the start of a process to its first result, and the memory that it took.

    Attributes:
        samples_ms: one a process.
        peak_memory_bytes: median over the processes of the largest resident set.
    """

    samples_ms: tuple[float, ...]
    median_ms: float
    peak_memory_bytes: int


def agent_command() -> list[str]:
    """This interpreter and this runtime again, to be run in a process of its own."""
    if sys.argv[0].endswith(".pyz"):
        return [sys.executable, sys.argv[0]]
    return [sys.executable, "-m", "edgecnn_runtime"]


def signal_name(number: int) -> str:
    """The name of the signal that ended a process, and its likely cause."""
    import signal

    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    means = {"SIGKILL": "out of memory?", "SIGILL": "an instruction that this processor lacks"}
    return f"{name} ({means[name]})" if name in means else name


def fresh_start(
    command: Sequence[str], variables: Mapping[str, str] | None = None
) -> tuple[float, int]:
    """Milliseconds from the start of a process to its first result, and its peak memory.

    Args:
        command: its last line on stdout must be the JSON object of `first_result_line`.
        variables: its environment; None is ours.

    Raises:
        MeasureError: the process cannot be started, fails, hangs, or prints no such line.
    """
    import subprocess

    shown = " ".join(command)
    began_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    try:
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            env=variables,
        )
    except OSError as error:
        raise MeasureError(f"the cold start cannot run {shown}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise MeasureError(
            f"the cold start gave no result in {TIMEOUT_S} s; run it alone to see why: {shown}"
        ) from error
    if ran.returncode != 0:
        said = ran.stderr.strip().splitlines() or ["nothing on stderr"]
        raise MeasureError(f"the cold start failed with {ran.returncode}: {said[-1]}")
    last = (ran.stdout.splitlines() or [""])[-1]
    try:
        line = json.loads(last)
        return (line["first_result_ns"] - began_ns) / 1e6, int(line["peak_memory_bytes"])
    except (ValueError, TypeError, KeyError) as error:
        raise MeasureError(
            f"the cold start gave no result: its last line is {last[:80]!r}, expected the JSON "
            f"object of first_result_line; run it alone to see why: {shown}"
        ) from error


def first_result_line() -> str:
    """To be printed by a process as soon as it has its first result.

    The monotonic clock is one for all processes of a machine.
    """
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    return json.dumps({"first_result_ns": now, "peak_memory_bytes": peak_memory_bytes()})


def peak_memory_bytes() -> int:
    """The largest resident set of this process so far.

    VmHWM, not ru_maxrss: a child inherits the latter from the process that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # getrusage(2): kilobytes, except on macOS, where they are bytes.
    return largest if sys.platform == "darwin" else largest * 1024
