"""Shared by the benchmarks: interleaved measurement, ratios to a peer, raw samples kept."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
RESULTS = Path(__file__).parent / "results"


def interleave(candidates: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Call every candidate once a round, in turned order every other round (ABBA).

    Each returns its own sample; the list of each has one sample a round.
    """
    samples: dict[str, list[T]] = {name: [] for name in candidates}
    for number in range(rounds):
        for name in list(candidates)[:: 1 if number % 2 == 0 else -1]:
            samples[name].append(candidates[name]())
    return samples


def process_seconds(command: Sequence[str]) -> float:
    """Wall seconds of one whole process."""
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def report(
    benchmark: str, what: str, samples: Mapping[str, Sequence[float]], *, unit: str, peer: str
) -> None:
    """Print medians and the median of the ratios to `peer`, round by round; keep every sample."""
    print(f"{what} (n = {len(samples[peer])}, interleaved)")
    for name, own in samples.items():
        ratios = [a / b for a, b in zip(own, samples[peer], strict=True)]
        line = f"  {name:<28}{statistics.median(own):>10.3f} {unit}"
        if name != peer:
            spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
            added = statistics.median(a - b for a, b in zip(own, samples[peer], strict=True))
            line += f"   {statistics.median(ratios):.3f} × {peer} ({spread}), {added:+.3f} {unit}"
        print(line)
    keep(benchmark, {"what": what, "unit": unit, "peer": peer, "samples": dict(samples)})


def keep(benchmark: str, result: Mapping[str, object]) -> None:
    """Append a result to ``results/FOLDER/NAME.jsonl``, with the machine it was measured on."""
    append(RESULTS / f"{benchmark}.jsonl", result)


def newest(benchmark: str, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The newest kept line of each network that has one, in their order."""
    path = RESULTS / f"{benchmark}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = {row["network"]: row for row in map(json.loads, lines)}
    return {name: rows[name] for name in names if name in rows}


def append(path: Path, result: Mapping[str, object]) -> None:
    """Append a result to a file of JSON lines, with the machine it was measured on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": f"{_processor()}, {platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    } | dict(result)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} × {len(names)}" if names else platform.processor()
