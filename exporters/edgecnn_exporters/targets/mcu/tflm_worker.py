"""Worker of TensorFlow Lite Micro's interpreter, a script for any Python that has tflite-micro.

Usage: python tflm_worker.py FOLDER

It finds the smallest tensor arena up to ``ceiling`` bytes with which AllocateTensors succeeds on
FOLDER/model.tflite. With inputs it computes the answers in an arena of that size; ``inputs`` and
``outputs`` of the task are names in the file's order.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tflite_micro.python.tflite_micro import runtime

_PART = re.compile(r"Arena allocation (total|head|tail) (\d+) bytes")


def main(place: str) -> None:
    """Find the arena, then answer."""
    folder = Path(place)
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    model = (folder / "model.tflite").read_bytes()
    interpreter, message = _opened(model, task["ceiling"])
    result: dict[str, Any] = {"failed": f"it does not open the model: {message}"}
    if interpreter is not None:
        arena, trials = smallest_arena(model, task["ceiling"])
        interpreter, _ = _opened(model, arena)
        parts = dict(_PART.findall(_stderr_of(interpreter.print_allocations)))
        result = {
            "arena_bytes": arena,
            "planned_bytes": int(parts["head"]),
            "persistent_bytes": int(parts["tail"]),
            "pointer_bytes": np.dtype(np.intp).itemsize,
            "trials": trials,
        }
        if (folder / "inputs.npz").exists():
            with np.load(folder / "inputs.npz") as fed:
                found = _answers(interpreter, fed, task["inputs"], task["outputs"])
            np.savez(folder / "outputs.npz", **found)
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


def smallest_arena(model: bytes, ceiling: int) -> tuple[int, int]:
    """The smallest arena that takes the model, which `ceiling` does, and the number of trials."""
    too_small, enough, trials = 0, ceiling, 1
    while enough - too_small > 1:
        middle = (too_small + enough) // 2
        interpreter, _ = _opened(model, middle)
        trials += 1
        if interpreter is None:
            too_small = middle
        else:
            enough = middle
    return enough, trials


def _opened(model: bytes, arena: int) -> tuple[Any, str]:
    """An interpreter, or None and the library's first message about it."""
    opened: list[Any] = []

    def open_model() -> None:
        try:
            opened.append(runtime.Interpreter.from_bytes(model, arena_size=arena))
        except (RuntimeError, ValueError) as error:
            os.write(2, f"{error}\n".encode())

    lines = [line for line in _stderr_of(open_model).splitlines() if line.strip()]
    return (opened[0], "") if opened else (None, lines[0].strip() if lines else "no message")


def _stderr_of(call: Callable[[], None]) -> str:
    """What a call of the library prints on stderr, past Python's own stream."""
    saved = os.dup(2)
    with tempfile.TemporaryFile() as stream:
        os.dup2(stream.fileno(), 2)
        try:
            call()
        finally:
            os.dup2(saved, 2)
            os.close(saved)
        stream.seek(0)
        return stream.read().decode(errors="replace")


def _answers(
    interpreter: Any, fed: Mapping[str, Any], inputs: Sequence[str], outputs: Sequence[str]
) -> dict[str, Any]:
    """Outputs by ``N/NAME``, as the inputs are."""
    answers = {}
    for number in range(len(fed) // len(inputs)):
        for index, name in enumerate(inputs):
            interpreter.set_input(np.ascontiguousarray(fed[f"{number}/{name}"]), index)
        interpreter.invoke()
        for index, name in enumerate(outputs):
            answers[f"{number}/{name}"] = interpreter.get_output(index)
    return answers


if __name__ == "__main__":
    main(*sys.argv[1:])
