"""Judging of hostile inputs: each in a process of its own, with a limit of time and memory.

Run as a program it judges all inputs and prints how many of each kind ended how:

    python -m hostile.generated.judge [--share 0.1] [--only PART-OF-A-KIND]
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import signal
import sys
import tempfile
import traceback
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hostile.generated import (
    archives,
    arrays,
    checkpoints,
    manifests,
    onnx_files,
    other_engines,
    pictures,
)
from hostile.generated.case import Kind, WronglyLoaded, sound

from edgecnn_runtime.errors import EdgeCNNError

KINDS: tuple[Kind, ...] = tuple(
    kind
    for module in (archives, manifests, arrays, onnx_files, other_engines, pictures, checkpoints)
    for kind in module.KINDS
)
# None of them starts a thread that a process needs after it has forked.
PRELOADED = (
    *("onnxruntime", "openvino", "ai_edge_litert.interpreter", "onnx.reference", "torch.onnx"),
    *("edgecnn.cli", "edgecnn.exporting.run", "edgecnn_exporters.export", "PIL.Image"),
    *(f"edgecnn.commands.{name}" for name in ("export", "run", "verify")),
)
# Of processor time, and of the clock: a process that waits for ever uses none.
LIMIT_S, LIMIT_WALL_S = 20, 60
LIMIT_BYTES = 2 << 30
# What is asked for beyond this fails at once, so that a fault does not take the machine with it.
ROOM_BYTES = 24 << 30
FINE = ("refused", "answered")
HANGS = (-signal.SIGALRM, -signal.SIGXCPU, -signal.SIGKILL)
_CODES = {10: "refused", 11: "answered", 12: "loaded wrongly", 13: "traceback", 14: "memory"}


@dataclass(frozen=True)
class Verdict:
    """How one input ended.

    Attributes:
        end: `refused` and `answered` are fine; else `loaded wrongly`, `traceback`, `hang`,
            `memory`, `crash` or `left files`.
        note: the refusal, or what went wrong.
    """

    kind: str
    seed: int
    end: str
    seconds: float
    peak_bytes: int
    note: str

    @property
    def is_fine(self) -> bool:
        return self.end in FINE


def judge(kind: Kind, seed: int) -> Verdict:
    """Make one input and give it to edgecnn, in a process that may be lost."""
    with tempfile.TemporaryDirectory() as outer:
        folder, home, note = (Path(outer, name) for name in ("work", "home", "note"))
        for each in (folder, home):
            each.mkdir()
        child = os.fork()
        if child == 0:
            _become(kind, seed, folder, home, note)
        _, status, usage = os.wait4(child, 0)
        code = os.waitstatus_to_exitcode(status)
        end = _CODES.get(code, "hang" if code in HANGS else "crash")
        peak = usage.ru_maxrss * 1024
        if end in FINE and peak > LIMIT_BYTES:
            end = "memory"
        if end in FINE and (folder / "INJECTED").exists():
            end = "loaded wrongly"
        text = note.read_text() if note.exists() else f"exit code {code}"
    return Verdict(kind.name, seed, end, usage.ru_utime + usage.ru_stime, peak, text)


def _become(kind: Kind, seed: int, folder: Path, home: Path, note: Path) -> None:
    """Make and use the input in this process, and end with a code for how that went."""
    code, text = 13, ""
    try:
        os.environ.update(HOME=str(home), EDGECNN_CACHE=str(home / "cache"), COLUMNS="80")
        os.chdir(folder)
        silence = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(silence, number)
        resource.setrlimit(resource.RLIMIT_AS, (ROOM_BYTES, ROOM_BYTES))
        use = kind.make(np.random.default_rng([zlib.crc32(kind.name.encode()), seed]), folder)
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S + 1))
        signal.alarm(LIMIT_WALL_S)
        use()
        code = 11
    except EdgeCNNError as error:
        text = str(error)
        code = 10 if "\n" not in text else 12
    except WronglyLoaded as error:
        code, text = 12, str(error)
    except MemoryError:
        code, text = 14, traceback.format_exc()
    except BaseException:
        text = traceback.format_exc()
    finally:
        note.write_text(text[-3_000:], errors="replace")
        os._exit(code)


def preload() -> None:
    """Import what the inputs need and make the sound bundles once, for all processes."""
    for name in PRELOADED:
        importlib.import_module(name)
    for engine in ("onnxruntime", "tflite", "openvino"):
        sound(engine)


def judged(kinds: Sequence[Kind], share: float) -> Iterator[Verdict]:
    """A share of the inputs of each kind, one at least."""
    preload()
    for kind in kinds:
        for seed in range(max(1, round(share * kind.count))):
            yield judge(kind, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--only", default="")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if options.only in kind.name]
    ends: dict[str, Counter[str]] = {}
    worst = {"seconds": 0.0, "peak_bytes": 0}
    faults = []
    for verdict in judged(kinds, options.share):
        ends.setdefault(verdict.kind, Counter())[verdict.end] += 1
        worst["seconds"] = max(worst["seconds"], verdict.seconds)
        worst["peak_bytes"] = max(worst["peak_bytes"], verdict.peak_bytes)
        if not verdict.is_fine:
            faults.append(verdict)
    if options.json:
        print(json.dumps([vars(each) for each in faults]))
    else:
        report(ends, faults, worst)
    sys.exit(bool(faults))


def report(ends: dict[str, Counter[str]], faults: list[Verdict], worst: dict[str, float]) -> None:
    """Print how many inputs of each kind ended how, and what was wrong."""
    for name, counts in ends.items():
        told = ", ".join(f"{count} {end}" for end, count in sorted(counts.items()))
        print(f"{name:<40}{sum(counts.values()):>5}  {told}")
    total = sum(sum(counts.values()) for counts in ends.values())
    print(
        f"{total} inputs, {len(faults)} faults; at most {worst['seconds']:.1f} CPU s and "
        f"{worst['peak_bytes'] / 1e6:.0f} MB"
    )
    for each in faults:
        last = each.note.strip().splitlines()[-1:] or [""]
        print(f"  {each.kind}, seed {each.seed}: {each.end}: {last[0][:200]}")


if __name__ == "__main__":
    main()
