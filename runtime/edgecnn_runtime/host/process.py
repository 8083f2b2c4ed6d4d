"""Processes of the agent: command, output, cold start time and peak memory; signal names."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecnn_runtime.errors import EdgeCNNError, EngineError, MeasureError

TIMEOUT_S = 120
AGENT_PREFIX = "edgecnn_runtime: "
"""Prefix of the agent's error message, its last line on stderr."""


@dataclass(frozen=True)
class ColdStart:
    """Time from the start of a process to its first result, and its peak memory.

    Attributes:
        samples_ms: one per process.
        median_ms: of the samples.
        peak_memory_bytes: median over the processes of the largest resident set.
        base_memory_bytes: median of the largest before the bundle was opened: Python, numpy and the
            engine alone; None where it was not measured.
    """

    samples_ms: tuple[float, ...]
    median_ms: float
    peak_memory_bytes: int
    base_memory_bytes: int | None = None


@dataclass(frozen=True)
class FirstResult:
    """First result of a process.

    Attributes:
        sample_ms: from the start of the process.
        peak_memory_bytes: its largest resident set.
        base_memory_bytes: the largest before it opened a bundle; None where it does not say.
    """

    sample_ms: float
    peak_memory_bytes: int
    base_memory_bytes: int | None = None


def agent_command() -> list[str]:
    """Command that starts the agent with this interpreter and this runtime."""
    if sys.argv[0].endswith(".pyz"):
        return [sys.executable, sys.argv[0]]
    return [sys.executable, "-m", "edgecnn_runtime"]


def agent_lines(arguments: Sequence[str]) -> list[str]:
    """Lines on stdout of a command of the agent, run in a process of its own.

    Raises:
        EngineError: the process died of a signal or ended without a message.
        EdgeCNNError: the message with which it ended.
    """
    import subprocess

    completed = subprocess.run(
        [*agent_command(), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    code = completed.returncode
    if code < 0:
        raise EngineError(f"the engine died of {signal_name(-code)}")
    last = (completed.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
    if code and not last.startswith(AGENT_PREFIX):
        raise EngineError(f"the engine ended with exit code {code}: {last}")
    if code:
        raise EdgeCNNError(last.removeprefix(AGENT_PREFIX))
    return completed.stdout.splitlines()


def signal_name(number: int) -> str:
    """Name of a signal that ended a process, with its likely cause."""
    import signal

    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    causes = {
        "SIGKILL": "out of memory?",
        "SIGILL": "an instruction that this processor lacks",
        "SIGALRM": "took longer than --max-seconds allows",
    }
    return f"{name} ({causes[name]})" if name in causes else name


def measure_cold_start(
    command: Sequence[str], variables: Mapping[str, str] | None = None
) -> FirstResult:
    """Start a process and wait for its first result.

    Args:
        command: its last line on stdout must be the JSON object of `first_result_line`, or one
            with ``sample_ms`` of what it timed itself, such as a page in a browser.
        variables: its environment variables; None keeps those of this process.

    Raises:
        MeasureError: the process cannot be started, fails, hangs, or prints no such line.
    """
    import subprocess

    shown = " ".join(command)
    began_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    try:
        completed = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
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
    if completed.returncode != 0:
        messages = completed.stderr.strip().splitlines() or ["nothing on stderr"]
        raise MeasureError(f"the cold start failed with {completed.returncode}: {messages[-1]}")
    line = (completed.stdout.splitlines() or [""])[-1]
    try:
        result = json.loads(line)
        peak, base = int(result["peak_memory_bytes"]), result.get("base_memory_bytes")
        base = None if base is None else int(base)
        if "sample_ms" in result:
            return FirstResult(float(result["sample_ms"]), peak, base)
        return FirstResult((result["first_result_ns"] - began_ns) / 1e6, peak, base)
    except (ValueError, TypeError, KeyError) as error:
        raise MeasureError(
            f"the cold start gave no result: its last line is {line[:80]!r}, expected the JSON "
            f"object of first_result_line; run it alone to see why: {shown}"
        ) from error


def first_result_line(base_memory_bytes: int | None = None) -> str:
    """JSON line that a process prints as soon as it has its first result.

    All processes of a machine share the monotonic clock.

    Args:
        base_memory_bytes: the largest resident set before it opened a bundle.
    """
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    result = {"first_result_ns": now, "peak_memory_bytes": peak_memory_bytes()}
    if base_memory_bytes is not None:
        result["base_memory_bytes"] = base_memory_bytes
    return json.dumps(result)


def peak_memory_bytes() -> int:
    """The largest resident set of this process so far.

    VmHWM, not ru_maxrss: a child inherits the latter from the process that started it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # getrusage(2): kilobytes, except on macOS, where they are bytes.
    return largest if sys.platform == "darwin" else largest * 1024
