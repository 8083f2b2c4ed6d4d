"""Operator placement in ONNX Runtime: integer operators and float fallbacks, by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from edgecnn_exporters.scratch import scratch_folder
from edgecnn_runtime.engines.onnxruntime import open_session, session_options

_BORDERS = frozenset({"DequantizeLinear", "QuantizeLinear"})
# Integer kernels of com.microsoft whose name does not begin with QLinear.
_INTEGER = frozenset({"ConvInteger", "MatMulInteger", "MatMulIntegerToFloat", "QGemm"})
# Operators that compute in the type of their input.
_TYPELESS = frozenset(
    {
        *("Concat", "DepthToSpace", "Flatten", "Gather", "Identity", "MaxPool", "NhwcMaxPool"),
        *("Pad", "Reshape", "Resize", "Slice", "SpaceToDepth", "Split", "Squeeze", "Transpose"),
        "Unsqueeze",
    }
)


@dataclass(frozen=True)
class Placement:
    """Operator counts of the graph that ONNX Runtime executes.

    Attributes:
        integer: computed from integers.
        real: computed in float.
        borders: conversions from float to 8 bits and back.
    """

    integer: Mapping[str, int]
    real: Mapping[str, int]
    borders: int


def place(model: bytes) -> Placement:
    """Placement of the model after ONNX Runtime's optimisation for this machine."""
    import onnx

    options = session_options()
    with scratch_folder() as folder:
        path = folder / "optimised.onnx"
        options.optimized_model_filepath = str(path)
        open_session(model, options)
        graph = onnx.load(path).graph
    weights = {value.name for value in graph.initializer}
    borders = [n for n in graph.node if n.op_type in _BORDERS]
    others = [n for n in graph.node if n.op_type not in _BORDERS]
    encoded = {name for n in borders if n.op_type == "QuantizeLinear" for name in n.output}
    kernels = [n for n in others if n.op_type.startswith("QLinear") or n.op_type in _INTEGER]
    encoded.update(name for n in kernels for name in n.output)
    eight_bits = (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)
    encoded.update(value.name for value in graph.initializer if value.data_type in eight_bits)
    # The optimised nodes are in no order: a value is known to be 8-bit once its source is.
    moved = [n for n in others if n.op_type in _TYPELESS]
    while (
        moved_names := {name for n in moved if n.input[0] in encoded for name in n.output} - encoded
    ):
        encoded |= moved_names
    integer = Counter(n.op_type for n in others if set(n.output) & encoded)
    # Sizes and indices, of Shape and what reads it, are no float arithmetic.
    kinds = (onnx.TensorProto.INT64, onnx.TensorProto.INT32, onnx.TensorProto.BOOL)
    sizes = {v.name for v in graph.value_info if v.type.tensor_type.elem_type in kinds}
    real = Counter(n.op_type for n in others if not set(n.output) & (encoded | sizes))
    # A weight's dequantising is folded, or done once.
    ways = sum(n.input[0] not in weights for n in borders)
    return Placement(dict(integer), dict(real), ways)
