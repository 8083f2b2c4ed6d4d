"""Plans: 8-bit networks as data that the native engine runs without a framework."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir


def write_plan(model: ir.Model | Path | str, path: Path | str) -> None:
    """Write the plan of a QDQ graph, or of the ONNX file that holds one, to `path`.

    Raises:
        NoKernel: a node has no kernel, or stays float.
    """
    import onnx_ir as ir

    from edgecnn_exporters.targets.native.write import plan_of

    source = ir.load(model) if isinstance(model, (Path, str)) else model
    Path(path).write_bytes(plan_of(source).to_bytes())
