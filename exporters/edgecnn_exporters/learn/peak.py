"""Peak memory of a step of learning, measured in a process of its own with ONNX Runtime alone.

Usage: python -m edgecnn_exporters.learn.peak GRAPH.onnx VALUES.npz
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines.onnxruntime import import_onnxruntime, open_session
from edgecnn_runtime.errors import MeasureError
from edgecnn_runtime.host.process import peak_memory_bytes
from edgecnn_runtime.learn.step import step_options
from edgecnn_runtime.training import NEXT

# The second one begins with the memory that the first one left.
STEPS = 2


def peak_of_step(graph: bytes, feeds: Mapping[str, Array]) -> int:
    """Bytes that opening a training graph and two steps take, beyond Python, numpy and the engine.

    Args:
        graph: ONNX.
        feeds: every input of the graph, by name.

    Raises:
        MeasureError: the process fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path, values = Path(folder, "graph.onnx"), Path(folder, "values.npz")
        path.write_bytes(graph)
        np.savez(values, **dict(feeds))  # type: ignore[arg-type] # all arrays
        command = [sys.executable, "-W", "ignore", "-m", __name__, str(path), str(values)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
        raise MeasureError(
            f"the memory of a step cannot be measured: its process ended with {done.returncode}: "
            f"{last}; take a smaller --learn-batch, or leave out --learn-memory"
        )
    return int(done.stdout)


def main() -> None:
    graph, values = map(Path, sys.argv[1:])
    import_onnxruntime()
    before = peak_memory_bytes()
    with np.load(values) as file:
        _steps(graph.read_bytes(), dict(file))
    print(peak_memory_bytes() - before)


def _steps(graph: bytes, feeds: Mapping[str, Array]) -> None:
    """Steps as the runtime's `TrainingStep` does them, from one buffer to the other and back."""
    session = open_session(graph, step_options())
    wrap = import_onnxruntime().OrtValue.ortvalue_from_numpy
    names = [each.name for each in session.get_outputs() if each.name.endswith(NEXT)]
    changed = [name.removesuffix(NEXT) for name in names]
    buffers = [
        {name: feeds[name] for name in changed},
        {name: np.empty_like(feeds[name]) for name in changed},
    ]
    for step in range(STEPS):
        source, target = buffers[step % 2], buffers[1 - step % 2]
        binding = session.io_binding()
        for name in changed:
            binding.bind_ortvalue_input(name, wrap(source[name]))
            binding.bind_ortvalue_output(f"{name}{NEXT}", wrap(target[name]))
        for each in session.get_inputs():
            if each.name not in source:
                binding.bind_cpu_input(each.name, feeds[each.name])
        for each in session.get_outputs():
            if each.name not in names:
                binding.bind_output(each.name)
        session.run_with_iobinding(binding)


if __name__ == "__main__":
    main()
