"""Input and output tensors of a TFLite file, as an application fills and reads them."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.quantise.encoding import Encoding
from edgecnn_exporters.targets.tflite.lowering import (
    BUILTIN,
    Lowering,
    PlacedTensor,
    quantisation_of,
)
from edgecnn_exporters.targets.tflite.nodes import shape_of
from edgecnn_exporters.targets.tflite.views import View


def feed(
    low: Lowering, value: ir.Value, order: Sequence[int], encoding: Encoding | None, dtype: str
) -> int:
    """The tensor that the application fills."""
    shape = shape_of(value)
    sizes = [shape[axis] for axis in order]
    name, view = str(value.name), View.of(shape, order)
    if encoding is None:
        fed = made = low.temporary(name, sizes, None, is_value=True)
    elif dtype == "uint8":
        meaning = quantisation_of(encoding, signed=False)
        fed = low.file.tensor(name, sizes, dtype, meaning, is_value=True)
        made = low.temporary(f"{name}.signed", sizes, encoding)
        low.file.operator(BUILTIN.QUANTIZE, [fed], [made], schema.QuantizeOptionsT())
    else:
        fed = made = low.temporary(name, sizes, encoding, is_value=True)
    low.keep(value, PlacedTensor(made, view), integer=encoding is not None)
    return fed


def result(low: Lowering, value: ir.Value, order: Sequence[int], dtype: str) -> int:
    """The tensor that the application reads, of that type and called as the value."""
    integer = dtype != "float32" and str(value.name) in low.source.encodings
    tensor = low.read(value, order, integer=integer)
    if integer and dtype == "uint8":
        encoding = low.encoding(value)
        signed = tensor
        low.file.rename(signed, f"{value.name}.signed")
        meaning = quantisation_of(encoding, signed=False)
        shape = low.file.shape(signed)
        tensor = low.file.tensor(str(value.name), shape, dtype, meaning, is_value=True)
        low.file.operator(BUILTIN.QUANTIZE, [signed], [tensor], schema.QuantizeOptionsT())
    return tensor
