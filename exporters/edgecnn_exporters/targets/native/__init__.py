"""Plans: 8-bit networks as data that the native engine runs without a framework."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir


def write_plan(
    model: ir.Model | Path | str,
    path: Path | str,
    *,
    least_memory: bool = False,
    byte_io: bool = False,
) -> None:
    """Write the plan of a QDQ graph, or of the ONNX file that holds one, to `path`.

    Args:
        least_memory: for microcontrollers: layers run row by row, in one thread, with the least
            memory. The results are the same.
        byte_io: inputs and outputs are uint8, with the graph's scales and zero points. An output
            that the graph computes in floats stays float32.

    Raises:
        NoKernel: a node has no kernel, or stays float.
    """
    import onnx_ir as ir

    from edgecnn_exporters.targets.native.write import plan_of

    source = ir.load(model) if isinstance(model, (Path, str)) else model
    plan = plan_of(source, least_memory=least_memory, byte_io=byte_io)
    Path(path).write_bytes(plan.to_bytes())
