"""Which operators of a quantised model ONNX Runtime computes in integers, and which in float."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Integer kernels of com.microsoft whose name does not begin with QLinear.
_INTEGER = frozenset({"ConvInteger", "MatMulInteger", "MatMulIntegerToFloat", "QGemm"})
# What is computed in the type that it is given.
_TYPELESS = frozenset(
    {
        *("Concat", "DepthToSpace", "Flatten", "Gather", "Identity", "MaxPool", "NhwcMaxPool"),
        *("Pad", "Reshape", "Resize", "Slice", "SpaceToDepth", "Split", "Squeeze", "Transpose"),
        "Unsqueeze",
    }
)


@dataclass(frozen=True)
class Placement:
    """How often which operator stands in the graph that really runs.

    Attributes:
        integer: computed from integers.
        real: computed in float.
        borders: ways from float to 8 bits and back.
    """

    integer: Mapping[str, int]
    real: Mapping[str, int]
    borders: int


def place(model: bytes) -> Placement:
    """Let ONNX Runtime optimise the model, and look at what became of it on this machine."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        graph = onnx.load(path).graph
    weights = {value.name for value in graph.initializer}
    integers: set[str] = set()
    found: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    borders = 0
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            # A weight's dequantising is folded, or done once.
            borders += node.input[0] not in weights
            integers |= set(node.output) if node.op_type == "QuantizeLinear" else set()
            continue
        is_kernel = node.op_type.startswith("QLinear") or node.op_type in _INTEGER
        is_moved = node.op_type in _TYPELESS and node.input[0] in integers
        if is_kernel or is_moved:
            integers |= set(node.output)
        found[is_kernel or is_moved][node.op_type] += 1
    return Placement(dict(found[True]), dict(found[False]), borders)
