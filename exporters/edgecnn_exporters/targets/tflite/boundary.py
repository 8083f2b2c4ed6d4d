"""Input and output tensors of a TFLite file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.targets.tflite import moving
from edgecnn_exporters.targets.tflite.lowering import (
    BUILTIN,
    Lowering,
    PlacedTensor,
    quantisation_of,
)
from edgecnn_exporters.targets.tflite.nodes import shape_of
from edgecnn_exporters.targets.tflite.views import View
from edgecnn_runtime.encoding import Encoding


def feed(
    low: Lowering, value: ir.Value, order: Sequence[int], encoding: Encoding | None, dtype: str
) -> int:
    """The input tensor, which the application fills."""
    shape = shape_of(value)
    sizes = [shape[axis] for axis in order]
    name, view = str(value.name), View.of(shape, order)
    if encoding is None:
        application_input = network_input = low.temporary(name, sizes, None, is_value=True)
    elif dtype == "uint8":
        meaning = quantisation_of(encoding, signed=False)
        application_input = low.file.tensor(name, sizes, dtype, meaning, is_value=True)
        network_input = low.temporary(f"{name}.signed", sizes, encoding)
        low.file.operator(
            BUILTIN.QUANTIZE, [application_input], [network_input], schema.QuantizeOptionsT()
        )
    else:
        application_input = network_input = low.temporary(name, sizes, encoding, is_value=True)
    low.keep(value, PlacedTensor(network_input, view), integer=encoding is not None)
    return application_input


def result(low: Lowering, value: ir.Value, order: Sequence[int], dtype: str) -> int:
    """The output tensor, which the application reads: of that type, named as the value."""
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


def separate(low: Lowering, inputs: Iterable[int], outputs: dict[str, int]) -> dict[str, int]:
    """The outputs, each with a tensor of its own, so that it can have its own name.

    One that is an input, or another output, is copied by a RESHAPE to its own shape.
    """
    taken, own = set(inputs), {}
    for name, tensor in outputs.items():
        own[name] = moving.copy(low.file, tensor) if tensor in taken else tensor
        taken.add(own[name])
    return own
