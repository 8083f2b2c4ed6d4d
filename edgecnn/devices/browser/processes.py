"""Processor time and memory of a browser's processes, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def cpu_seconds(root: int) -> float:
    """Processor time of a process and all its living descendants, in seconds."""
    ticks = sum(_ticks(pid) for pid in _tree(root))
    return ticks / os.sysconf("SC_CLK_TCK")


def page_peak_bytes(root: int) -> int:
    """The largest resident set so far of a process that shows a page, below `root`."""
    return max(map(_peak_bytes, page_processes(root)), default=0)


def page_processes(root: int) -> list[int]:
    """The processes below `root` that show pages."""
    return [pid for pid in _tree(root) if _is_renderer(pid)]


def _tree(root: int) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on: state, parent, …; none for a process that ended.

    See proc_pid_stat(5). The name, in brackets before them, may hold blanks.
    """
    return _read(pid, "stat").rpartition(")")[2].split()


def _ticks(pid: int) -> int:
    # utime, stime, and both of the children that were waited for.
    return sum(int(field) for field in _stat(pid)[11:15])


def _peak_bytes(pid: int) -> int:
    for line in _read(pid, "status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _is_renderer(pid: int) -> bool:
    # Processes of a zygote rewrite their command line, with blanks between the words.
    return "--type=renderer" in _read(pid, "cmdline").replace("\0", " ").split()


def _read(pid: int, name: str) -> str:
    try:
        return (PROC / str(pid) / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
