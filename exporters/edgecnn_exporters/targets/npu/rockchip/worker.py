"""Rockchip's compiler and simulator, run in the interpreter that has rknn-toolkit2.

``python worker.py FOLDER`` does the task in FOLDER/task.json; `worker_process` starts it in FOLDER,
where the toolkit leaves files of its own. Nothing of edgecnn can be imported here. A script of the
name ``rknn.py`` would hide the toolkit.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

LOG = "rknn.log"


def main(folder: Path) -> None:
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    with messages_in(folder / LOG):
        result = build(task, folder)
    if "failed" not in result:
        result["layers"] = layer_table(folder / LOG)
    elif ": " not in result["failed"] and (lines := errors(folder / LOG)):
        result["failed"] += ": " + lines[-1]
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


def build(task: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Write ``model.rknn`` with the graph's own scales; answer inputs.npz where there is one."""
    from rknn.api import RKNN

    # The layers' places are told only by a verbose build.
    toolkit: Any = RKNN(verbose=True)
    toolkit.config(target_platform=task["platform"], disable_rules=task["disabled"])
    steps: dict[str, Callable[[], Any]] = {
        "reading the graph": lambda: toolkit.load_onnx(model=task["graph"]),
        "building": lambda: toolkit.build(do_quantization=False),
        "writing": lambda: toolkit.export_rknn(str(folder / "model.rknn")),
    }
    for name, step in steps.items():
        try:
            code = step()
        except Exception as error:  # the toolkit's errors share no narrower base
            return {"failed": f"{name}: {last_line(error)}"}
        if code != 0:
            return {"failed": name}
    if (folder / "inputs.npz").exists():
        if toolkit.init_runtime() != 0:
            return {"failed": "starting the simulator"}
        answer(toolkit, task, folder)
    toolkit.release()
    return {}


def last_line(error: Exception) -> str:
    # Of a traceback as text, which is what the toolkit raises.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def answer(toolkit: Any, task: dict[str, Any], folder: Path) -> None:
    outputs: dict[str, Any] = {}
    with np.load(folder / "inputs.npz", allow_pickle=False) as arrays:
        for index in range(task["examples"]):
            feeds = [arrays[f"{index}/{name}"] for name in task["inputs"]]
            values = toolkit.inference(inputs=feeds, data_format=["nchw"] * len(feeds))
            for name, value in zip(task["outputs"], values):  # noqa: B905
                outputs[f"{index}/{name}"] = np.asarray(value)
    np.savez(folder / "outputs.npz", **outputs)


@contextlib.contextmanager
def messages_in(path: Path) -> Iterator[None]:
    """What the toolkit prints inside the block is in a file, and on stdout afterwards."""
    flush()
    saved = {number: os.dup(number) for number in (1, 2)}
    with path.open("wb") as stream:
        for number in saved:
            os.dup2(stream.fileno(), number)
    try:
        yield
    finally:
        flush()
        for number, copy in saved.items():
            os.dup2(copy, number)
            os.close(copy)
        sys.stdout.write(path.read_text(encoding="utf-8", errors="replace"))


def flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def layer_table(path: Path) -> list[dict[str, str]]:
    """The rows of the toolkit's table of layers: [{operator, target, input, output, name}]."""
    rows: list[dict[str, str]] = []
    is_inside = False
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.partition("] ")[2].split()
        if words[:3] == ["ID", "OpType", "DataType"]:
            is_inside, rows = True, []
        elif is_inside and words and words[0].isdigit():
            row = {"operator": words[1], "target": words[3], "input": words[4], "output": words[5]}
            rows.append(row | {"name": words[-1]})
        elif is_inside and words and not set(words[0]) <= {"-"}:
            is_inside = False
    return rows


def errors(path: Path) -> list[str]:
    text = re.sub(r"\x1b\[[0-9;]*m", "", path.read_text(encoding="utf-8", errors="replace"))
    return [line[2:].strip() for line in text.splitlines() if line.startswith("E ")]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
