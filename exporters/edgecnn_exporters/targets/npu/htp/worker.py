"""QNN compiler and simulator, run in the interpreter that has onnxruntime-qnn.

``python worker.py FOLDER`` does the task in FOLDER/task.json; `worker_process` starts it. Nothing
of edgecnn can be imported here.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

WRAPPER, TRACE, LOG = "model.onnx", "qnn_op_trace.json", "onnxruntime.log"
# As ONNX Runtime numbers its levels: warnings name the operators that HTP refuses.
WARNING = 2


def libraries() -> tuple[Any, Any]:
    """ONNX Runtime, and Qualcomm's execution provider for it."""
    import onnxruntime
    import onnxruntime_qnn

    return onnxruntime, onnxruntime_qnn


def main(folder: Path) -> None:
    task = json.loads((folder / "task.json").read_text(encoding="utf-8"))
    onnxruntime, onnxruntime_qnn = libraries()
    onnxruntime.register_execution_provider_library(
        onnxruntime_qnn.get_ep_name(), onnxruntime_qnn.get_library_path()
    )
    job = {"compile": compile_context, "run": run_context}[task["job"]]
    try:
        result = job(task, folder)
    except Exception as error:  # ONNX Runtime's errors share no narrower base
        result = {"failed": first_line(error)}
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


def compile_context(task: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Write a context binary with its wrapper, and operators for the CPU where HTP refuses them."""
    whole, parts = folder / "whole", folder / "parts"
    refused: list[dict[str, str]] = []
    written, error = compile_in(whole, task, is_cpu_allowed=False)
    if error is not None:
        refused = refused_operators(whole)
        if not refused:
            raise error
        written, error = compile_in(parts, task, is_cpu_allowed=True)
        if error is not None:
            return {"unsplit": first_line(error), "refused": refused}
    return {
        "refused": refused,
        "folder": str(written),
        "onnxruntime": libraries()[0].__version__,
        **traced(written),
    }


def compile_in(
    folder: Path, task: dict[str, Any], is_cpu_allowed: bool
) -> tuple[Path, Exception | None]:
    """Compile into a folder of its own: the folder, and the error where it failed."""
    folder.mkdir()
    options = session_options(is_cpu_allowed)
    options.add_session_config_entry("ep.context_enable", "1")
    options.add_session_config_entry("ep.context_file_path", str(folder / WRAPPER))
    options.add_session_config_entry("ep.context_embed_mode", "0")
    add_htp(
        options,
        {
            **task["options"],
            "enable_framework_op_trace": "1",
            "framework_op_trace_dir": str(folder),
        },
    )
    try:
        with messages_in(folder / LOG):
            libraries()[0].InferenceSession(task["graph"], sess_options=options)
    except Exception as error:  # as above
        return folder, error
    return folder, None


def run_context(task: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Answer the examples of inputs.npz with a wrapper and the context binary beside it."""
    options = session_options(is_cpu_allowed=task["is_cpu_allowed"])
    add_htp(options, {})
    with messages_in(folder / LOG):
        session = libraries()[0].InferenceSession(task["wrapper"], sess_options=options)
        names = [output.name for output in session.get_outputs()]
        examples: dict[str, dict[str, Any]] = {}
        with np.load(folder / "inputs.npz", allow_pickle=False) as arrays:
            for key in arrays:
                index, _, name = key.partition("/")
                examples.setdefault(index, {})[name] = arrays[key]
        outputs = {}
        for index, feeds in examples.items():
            for name, value in zip(names, session.run(names, feeds)):  # noqa: B905
                outputs[f"{index}/{name}"] = value
    np.savez(folder / "outputs.npz", **outputs)
    return {}


def session_options(is_cpu_allowed: bool) -> Any:
    options = libraries()[0].SessionOptions()
    options.log_severity_level = WARNING
    options.add_session_config_entry(
        "session.disable_cpu_ep_fallback", "0" if is_cpu_allowed else "1"
    )
    return options


def add_htp(options: Any, provider_options: dict[str, str]) -> None:
    onnxruntime, onnxruntime_qnn = libraries()
    name = onnxruntime_qnn.get_ep_name()
    devices = [device for device in onnxruntime.get_ep_devices() if device.ep_name == name]
    options.add_provider_for_devices(
        devices[:1],
        {
            "backend_path": onnxruntime_qnn.get_qnn_htp_path(),
            # Else ONNX Runtime's CPU would convert a float input or output.
            "offload_graph_io_quantization": "0",
            **provider_options,
        },
    )


@contextlib.contextmanager
def messages_in(path: Path) -> Iterator[None]:
    """What the libraries print inside the block is in a file, and on stderr afterwards."""
    stderr = os.dup(2)
    with path.open("wb") as stream:
        os.dup2(stream.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        sys.stderr.write(path.read_text(encoding="utf-8", errors="replace"))


def refused_operators(folder: Path) -> list[dict[str, str]]:
    """The operators that HTP refused: [{node, operator, reason}]."""
    reasons = {}
    if (folder / TRACE).exists():
        trace = json.loads((folder / TRACE).read_text(encoding="utf-8"))
        reasons = {each["node_name"]: each["reason"] for each in trace["unsupported_nodes"]}
    lines = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()
    named = [line.partition("Unsupported nodes in QNN EP:")[2] for line in lines]
    # Later lines are about what ONNX Runtime made of the graph after the first refusal.
    first = next((words for words in named if words), "")
    refused = []
    for words in first.split("{")[1:]:
        pairs = dict(pair.strip().split(": ", 1) for pair in words.split("}")[0].split(", "))
        node, operator = pairs["name"], pairs["type"]
        checks = [line for line in lines if f"failed for node `{node}`" in line]
        reason = checks[0].split("] ", 1)[-1] if checks else reasons.get(node, "").split(".")[0]
        refused.append(
            {"node": node, "operator": operator, "reason": reason.strip() or "QNN says no reason"}
        )
    return refused


def traced(folder: Path) -> dict[str, Any]:
    """The architecture that QNN says it compiled for, and how many operators of which kind."""
    trace = json.loads((folder / TRACE).read_text(encoding="utf-8"))
    # Before onnxruntime-qnn 2.7 a trace was of one chip.
    targets = [each["compilation_target"] for each in trace.get("soc_traces", [trace])]
    counts: dict[str, int] = {}
    for graph in trace["subgraph_traces"]:
        for operator in graph["op_mappings"]:
            kind = operator["dst_qnn_op_type"]
            counts[kind] = counts.get(kind, 0) + 1
    return {"targets": targets, "operators": counts}


def first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


if __name__ == "__main__":
    main(Path(sys.argv[1]))
