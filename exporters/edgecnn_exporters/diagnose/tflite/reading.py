"""State of reading a TFLite file as an ONNX graph: nodes, constants, encodings, names.

Values have the names of the tensors, images are NCHW, constants have ONNX's order of axes, and
QuantizeLinear and DequantizeLinear with a tensor's scale and zero point stand for its integers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_runtime.arrays import Array

_TYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.UINT8: np.uint8,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
    schema.TensorType.BOOL: np.bool_,
}
INTEGERS = (schema.TensorType.INT8, schema.TensorType.UINT8)
NCHW, NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


@dataclass
class Reading:
    """State of a file that is being read as a graph.

    Attributes:
        file: the first subgraph.
        values: the value with the reals of a tensor, by the tensor's index.
        tensors: index of the tensor that holds a value, by the value's name.
        unread: operators without a reader; their outputs are inputs of the graph.
        joined: (C, H, W) of the images that a tensor holds as rows, in the order of NHWC. The graph
            has them in the order of NCHW, so that its values are not the tensor's.
        constants: dequantised integer constants, by tensor and order of axes.
    """

    model: Any
    file: Any
    values: dict[int, ir.Value] = field(default_factory=dict)
    tensors: dict[str, int] = field(default_factory=dict)
    nodes: list[ir.Node] = field(default_factory=list)
    inputs: list[ir.Value] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    joined: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    constants: dict[tuple[int, tuple[int, ...] | None], ir.Value] = field(default_factory=dict)

    def tensor(self, index: int) -> Any:
        return self.file.tensors[index]

    def name(self, index: int) -> str:
        return str(self.tensor(index).name.decode())

    def shape(self, index: int) -> tuple[int, ...]:
        shape = self.tensor(index).shape
        return () if shape is None else tuple(map(int, shape))

    def is_integer(self, index: int) -> bool:
        """Whether the tensor holds 8-bit integers with a scale."""
        tensor = self.tensor(index)
        return tensor.type in INTEGERS and encoding_of(tensor) is not None

    def stored(self, index: int) -> Array | None:
        """The constant as stored in the file; None for a tensor that is computed or fed."""
        data = self.model.buffers[self.tensor(index).buffer].data
        if data is None or not len(data):
            return None
        flat: Array = np.frombuffer(bytes(bytearray(data)), _TYPES[self.tensor(index).type])
        return flat.reshape(self.shape(index))

    def add(
        self, operator: str, inputs: list[ir.Value | None], name: str, **attributes: Any
    ) -> ir.Value:
        """Add a node; its output, named `name`."""
        node = ir.node(operator, inputs, attributes=attributes, name=name)
        node.outputs[0].name = name
        node.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
        self.nodes.append(node)
        return node.outputs[0]

    def constant(self, name: str, array: Array) -> ir.Value:
        """A constant value; `graph_of` numbers different constants of the same name."""
        tensor = ir.tensor(np.ascontiguousarray(array), name=name)
        value = ir.Value(name=name, const_value=tensor, type=ir.TensorType(tensor.dtype))
        value.shape = ir.Shape(array.shape)
        return value


# Translates one operator: the output value, under the given name.
Reader = Callable[[Reading, Any, str], ir.Value]


def encoding_of(tensor: Any) -> tuple[Array, Array, int] | None:
    """Scales, zero points and axis of a tensor's quantisation."""
    quantisation = tensor.quantization
    if quantisation is None or quantisation.scale is None or not len(quantisation.scale):
        return None
    zero = (
        quantisation.zeroPoint
        if quantisation.zeroPoint is not None
        else np.zeros(len(quantisation.scale), np.int64)
    )
    scales = np.asarray(quantisation.scale, np.float32)
    return scales, np.asarray(zero, np.int64), int(quantisation.quantizedDimension)


def io_encodings(content: bytes) -> dict[str, tuple[float, int]]:
    """Scale and zero point of the inputs and outputs of a file that are in 8 bits, by name."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    graph = model.subgraphs[0]
    encodings = {}
    for index in map(int, (*graph.inputs, *graph.outputs)):
        tensor = graph.tensors[index]
        encoding = encoding_of(tensor)
        if tensor.type in INTEGERS and encoding is not None:
            scale, zero, _ = encoding
            encodings[str(tensor.name.decode())] = (float(scale[0]), int(zero[0]))
    return encodings


def as_onnx(array: Array) -> Array:
    """An image from NHWC to NCHW; anything else as it is."""
    return array.transpose(NCHW) if array.ndim == 4 else array


def as_tflite(array: Array) -> Array:
    """An image from NCHW to NHWC; anything else as it is."""
    return np.ascontiguousarray(array.transpose(NHWC)) if array.ndim == 4 else array


def dequantise(reading: Reading, index: int, order: tuple[int, ...] | None) -> ir.Value:
    """DequantizeLinear of an integer constant, its axes in `order`."""
    stored, encoding = reading.stored(index), encoding_of(reading.tensor(index))
    assert stored is not None
    assert encoding is not None
    scale, zero, axis = encoding
    if order is not None:
        stored, axis = stored.transpose(order), order.index(axis)
    name = reading.name(index)
    zeros = zero.astype(stored.dtype)
    single = scale.size == 1
    inputs: list[ir.Value | None] = [
        reading.constant(f"{name}.integers", stored),
        reading.constant(f"{name}.scale", scale.reshape(()) if single else scale),
        reading.constant(f"{name}.zero_point", zeros.reshape(()) if single else zeros),
    ]
    attributes = {} if single else {"axis": axis}
    return reading.add("DequantizeLinear", inputs, f"{name}.reals", **attributes)


def reals_of(reading: Reading, index: int, order: tuple[int, ...] | None = None) -> ir.Value | None:
    """The value of an operator's input: a constant's reals in `order`, or a computed value."""
    if index < 0:
        return None
    if index in reading.values:
        return reading.values[index]
    stored = reading.stored(index)
    if stored is None:
        return None
    if encoding_of(reading.tensor(index)) is not None and stored.dtype != np.float32:
        if (index, order) not in reading.constants:
            reading.constants[index, order] = dequantise(reading, index, order)
        return reading.constants[index, order]
    array = stored.astype(np.float32) if stored.dtype == np.float16 else stored
    return reading.constant(reading.name(index), array if order is None else array.transpose(order))


def assign(reading: Reading, index: int, computed: ir.Value) -> None:
    """Assign a computed value to a tensor, through its encoding where it is in 8 bits."""
    read = computed
    if reading.is_integer(index):
        read = _round(reading, index, computed)
    reading.values[index] = read
    for value in (computed, read):
        # The input of a QUANTIZE has a tensor already.
        reading.tensors.setdefault(str(value.name), index)
    shape = reading.shape(index)
    known = tuple(shape[axis] for axis in NCHW) if len(shape) == 4 else shape
    for value in (computed, read):
        value.shape = ir.Shape(["N", *known[1:]] if known else [])


def computed_name(reading: Reading, index: int) -> str:
    """Name of a value before rounding; the graph output after it has the tensor's name."""
    name = reading.name(index)
    is_output = index in list(reading.file.outputs)
    return f"{name}.float" if is_output and reading.is_integer(index) else name


def _round(reading: Reading, index: int, computed: ir.Value) -> ir.Value:
    encoding = encoding_of(reading.tensor(index))
    assert encoding is not None
    scale, zero, _ = encoding
    name = reading.name(index)
    kind = _TYPES[reading.tensor(index).type]
    numbers = [
        reading.constant(f"{name}.scale", scale.reshape(())),
        reading.constant(f"{name}.zero_point", zero.reshape(()).astype(kind)),
    ]
    to = reading.add("QuantizeLinear", [computed, *numbers], f"{name}.to_integers")
    to.type = ir.TensorType(ir.DataType.INT8 if kind is np.int8 else ir.DataType.UINT8)
    back = name if index in list(reading.file.outputs) else f"{name}.reals"
    return reading.add("DequantizeLinear", [to, *numbers], back)


def _name_constant(value: ir.Value, taken: dict[str, ir.Value]) -> None:
    """Give a constant its name, with a number where another constant has that name."""
    stem, number = str(value.name), 0
    while taken.get(str(value.name), value) is not value:
        number += 1
        value.name = f"{stem}_{number}"
    assert value.const_value is not None
    value.const_value.name = value.name
    taken[str(value.name)] = value


def graph_of(reading: Reading, opset: Mapping[str, int]) -> ir.Model:
    """The model of all nodes read, with the file's outputs."""
    outputs = [reading.values[int(index)] for index in reading.file.outputs]
    constants: dict[str, ir.Value] = {}
    for node in reading.nodes:
        for value in node.inputs:
            if value is not None and value.const_value is not None:
                _name_constant(value, constants)
    graph = ir.Graph(
        reading.inputs,
        outputs,
        nodes=reading.nodes,
        initializers=list(constants.values()),
        opset_imports=dict(opset),
        name="tflite",
    )
    return ir.Model(graph, ir_version=10)
