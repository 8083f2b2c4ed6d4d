"""A script of ours in a toolchain's interpreter: a task and arrays in, a result and arrays out.

The script is started as ``PYTHON SCRIPT FOLDER``. It reads ``task.json`` and, where there is one,
``inputs.npz`` from FOLDER, and leaves ``result.json`` and ``outputs.npz`` there. Arrays of example
N are called ``N/NAME``. What it prints is the vendor's, and goes into the log.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecnn_exporters.errors import CompilerFailed
from edgecnn_exporters.targets.toolchain import Toolchain, run_tool
from edgecnn_runtime.arrays import Array

# Of one line from a vendor's library in an error message.
MOST_CHARACTERS = 300
_NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"


def run_worker(
    what: str,
    toolchain: Toolchain,
    script: Path,
    task: Mapping[str, Any],
    folder: Path,
    log: Path,
) -> dict[str, Any]:
    """Run a worker's task in `folder`, which is made; its result.

    Args:
        what: the program and its task, for the message of an error.

    Raises:
        CompilerFailed: it crashed, ran out of time, or left no result.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
    command: list[str | os.PathLike[str]] = [toolchain.python, script, folder]
    run_tool(what, command, log, folder=folder, environment=_without_telemetry())
    try:
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CompilerFailed(f"{what} left no result; its messages are in {log}") from error
    if "failed" in result:
        reason = str(result["failed"])[:MOST_CHARACTERS]
        raise CompilerFailed(f"{what} failed: {reason}; its messages are in {log}")
    return dict(result)


def _without_telemetry() -> dict[str, str]:
    """Variables that keep ONNX Runtime, which vendors build on, from reporting its use."""
    return {_NO_TELEMETRY: os.environ.get(_NO_TELEMETRY, "1")}


def write_inputs(folder: Path, examples: Sequence[Mapping[str, Array]]) -> None:
    """Write the input arrays of examples, by name, for a worker's run."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        f"{index}/{name}": array
        for index, example in enumerate(examples)
        for name, array in example.items()
    }
    # The stub of savez takes no arrays by name.
    np.savez(folder / "inputs.npz", **arrays)  # type: ignore[arg-type]


def read_outputs(folder: Path, count: int, names: Iterable[str]) -> list[dict[str, Array]]:
    """The output arrays of those names, of `count` examples, that a worker's run left.

    Raises:
        CompilerFailed: one is not there.
    """
    found: list[dict[str, Array]] = [{} for _ in range(count)]
    try:
        with np.load(folder / "outputs.npz", allow_pickle=False) as arrays:
            for key in arrays:
                index, _, name = key.partition("/")
                found[int(index)][name] = arrays[key]
    except (OSError, ValueError, IndexError) as error:
        raise CompilerFailed(f"the simulator's answers cannot be read: {error}") from error
    missing = [name for name in names if not all(name in each for each in found)]
    if missing:
        raise CompilerFailed(
            f"the simulator answered no {missing[0]!r} for each of {count} examples; compile again"
        )
    return found
