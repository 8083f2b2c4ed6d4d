"""Graphs, nodes and small constants of an ONNX message, read without the onnx package.

The message is not trusted: `limits.protobuf` refuses what no serialiser writes, and a reference to
a file is refused as it is met. Tensor data is never copied.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from edgecnn_runtime.bundle.limits.onnx_schema import (
    ATTRIBUTE,
    ATTRIBUTE_VALUES,
    FUNCTION,
    GRAPH,
    MODEL,
    NODE,
    SPARSE_TENSOR,
    TENSOR,
    TRAINING,
    VALUE_INFO,
)
from edgecnn_runtime.bundle.limits.protobuf import Field, FieldType, MessageReader
from edgecnn_runtime.errors import ExternalData

OWN_DOMAINS = ("", "ai.onnx")
"""The domain of ONNX's own operators, in its two spellings."""
MAX_DEPTH = 64
# Shapes and trip counts have a few numbers; larger tensors are weights.
_MOST_NUMBERS = 64
_MOST_AXES = 64
_MOST_NAME_BYTES = 1 << 16
# A path, or the name of a mode; code and data are longer.
_MOST_TEXT_BYTES = 4096
# onnx.proto, TensorProto.DataType: how the numbers of a small constant lie in raw_data.
_RAW = {1: "f", 2: "B", 3: "b", 6: "i", 7: "q", 9: "B", 11: "d"}


Numbers = tuple[float, ...]


@dataclass
class OnnxNode:
    """A node: its operator, the names of its values, and its attributes.

    Attributes:
        texts: attributes that are short texts, as bytes; a longer one is left out.
    """

    operator: str = ""
    domain: str = ""
    overload: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    numbers: dict[str, Numbers] = field(default_factory=dict)
    graphs: list[OnnxGraph] = field(default_factory=list)
    texts: dict[str, bytes] = field(default_factory=dict)


@dataclass
class OnnxGraph:
    """A graph, or a function's body.

    Attributes:
        values: every value that is defined in it: the numbers of a small constant; () of others.
    """

    name: str = ""
    domain: str = ""
    overload: str = ""
    nodes: list[OnnxNode] = field(default_factory=list)
    values: dict[str, Numbers] = field(default_factory=dict)

    def define(self, name: str, numbers: Numbers) -> None:
        """Add a value.

        Raises:
            ValueError: there is one of that name: which of them an engine takes is not known.
        """
        if name in self.values:
            raise ValueError(f"the value {name!r} is defined twice")
        self.values[name] = numbers


@dataclass
class OnnxModel:
    """The graphs of a model.

    Attributes:
        graphs: the main one, and those for training.
        functions: the bodies of its local functions.
        sparse_numbers: of its largest sparse tensor, which an engine writes out in full.
    """

    graphs: list[OnnxGraph] = field(default_factory=list)
    functions: list[OnnxGraph] = field(default_factory=list)
    sparse_numbers: int = 0


def read_onnx(model: bytes) -> OnnxModel:
    """Graphs, functions and small constants of an ONNX message.

    Raises:
        ExternalData: a tensor refers to data outside the message.
        ValueError: the bytes are not an ONNX message as a serialiser writes it.
    """
    return _Onnx(model).model()


class _Onnx:
    def __init__(self, model: bytes) -> None:
        self._buffer = model
        self._reader = MessageReader(model)
        self._model = OnnxModel()

    def model(self) -> OnnxModel:
        found = self._model
        for one in self._fields(0, len(self._buffer), MODEL):
            if one.number == 7:
                found.graphs.append(self._graph(one, 1))
            elif one.number == 20:
                for part in self._fields(one.begin, one.end, TRAINING):
                    if part.number in (1, 2):
                        found.graphs.append(self._graph(part, 2))
            elif one.number == 25:
                found.functions.append(self._function(one))
        return found

    def _fields(self, begin: int, end: int, schema: Mapping[int, FieldType]) -> Iterator[Field]:
        return self._reader.fields(begin, end, schema)

    def _function(self, message: Field) -> OnnxGraph:
        function = OnnxGraph()
        for one in self._fields(message.begin, message.end, FUNCTION):
            if one.number == 7:
                function.nodes.append(self._node(one, 2, function))
            elif one.number == 11:
                self._attribute(one, OnnxNode(), 2)
            elif one.number == 1:
                function.name = self._text(one)
            elif one.number == 10:
                function.domain = self._text(one)
            elif one.number == 13:
                function.overload = self._text(one)
        return function

    def _graph(self, message: Field, depth: int) -> OnnxGraph:
        if depth > MAX_DEPTH:
            raise ValueError(f"graphs nested deeper than {MAX_DEPTH}")
        graph = OnnxGraph()
        inputs = []
        for one in self._fields(message.begin, message.end, GRAPH):
            if one.number == 1:
                graph.nodes.append(self._node(one, depth + 1, graph))
            elif one.number == 5:
                graph.define(*self._tensor(one))
            elif one.number == 11:
                inputs.append(self._name(one))
            elif one.number == 15:
                graph.define(self._sparse_tensor(one), ())
        for name in inputs:
            graph.values.setdefault(name, ())  # an initialiser may be an input too
        return graph

    def _node(self, message: Field, depth: int, graph: OnnxGraph) -> OnnxNode:
        node = OnnxNode()
        for one in self._fields(message.begin, message.end, NODE):
            if one.number == 1:
                node.inputs.append(self._text(one))
            elif one.number == 2:
                node.outputs.append(self._text(one))
            elif one.number == 4:
                node.operator = self._text(one)
            elif one.number == 5:
                self._attribute(one, node, depth)
            elif one.number == 7:
                node.domain = self._text(one)
            elif one.number == 8:
                node.overload = self._text(one)
        numbers: Numbers = ()
        if node.operator == "Constant" and node.domain in OWN_DOMAINS and len(node.numbers) == 1:
            (numbers,) = node.numbers.values()
        for name in filter(None, node.outputs):
            graph.define(name, numbers)
        return node

    def _attribute(self, message: Field, node: OnnxNode, depth: int) -> None:
        name, integers = "", list[int]()
        numbers: Numbers = ()
        text: bytes | None = None
        values: set[int] = set()
        for one in self._fields(message.begin, message.end, ATTRIBUTE):
            if one.number in ATTRIBUTE_VALUES:
                values.add(one.number)
            if one.number == 1:
                name = self._text(one)
            elif one.number in (3, 8):
                integers += self._integers(one)
            elif one.number == 4 and one.end - one.begin <= _MOST_TEXT_BYTES:
                text = self._buffer[one.begin : one.end]
            elif one.number in (5, 10):
                _, numbers = self._tensor(one)
            elif one.number in (6, 11):
                node.graphs.append(self._graph(one, depth + 1))
            elif one.number in (22, 23):
                self._sparse_tensor(one)
        if name in node.numbers or len(values) > 1:
            raise ValueError(f"the attribute {name!r} has several values")
        node.numbers[name] = tuple(integers) or numbers
        if text is not None:
            node.texts[name] = text

    def _sparse_tensor(self, message: Field) -> str:
        """The tensor's name, which is that of its values."""
        name = ""
        shape: list[int] = []
        for one in self._fields(message.begin, message.end, SPARSE_TENSOR):
            if one.number == 3:
                shape = self._extended(shape, one)
            else:
                tensor, _ = self._tensor(one)
                name = tensor if one.number == 1 else name
        self._model.sparse_numbers = max(self._model.sparse_numbers, math.prod(shape))
        return name

    def _tensor(self, message: Field) -> tuple[str, Numbers]:
        """Name of a tensor, and its numbers where it is small and of a plain type."""
        name, dtype, raw = "", 0, b""
        shape: list[int] = []
        listed: list[float] = []
        for one in self._fields(message.begin, message.end, TENSOR):
            if one.number == 13 or (one.number == 14 and one.value):
                raise ExternalData("keeps tensor data outside the bundle")
            if one.number == 1:
                shape = self._extended(shape, one)
            elif one.number == 2:
                dtype = one.value
            elif one.number == 8:
                name = self._text(one)
            elif one.number == 9 and one.end - one.begin <= 8 * _MOST_NUMBERS:
                raw = self._buffer[one.begin : one.end]
            elif one.number in (5, 7) and one.end - one.begin <= 10 * _MOST_NUMBERS:
                listed += self._integers(one)
            elif one.number == 4 and one.end - one.begin <= 4 * _MOST_NUMBERS:
                count_of_floats = (one.end - one.begin) // 4
                listed += struct.unpack_from(f"<{count_of_floats}f", self._buffer, one.begin)
        if math.prod(shape) > _MOST_NUMBERS:
            return name, ()
        layout = _RAW.get(dtype)
        if layout:
            count = len(raw) // struct.calcsize(f"<{layout}")
            listed += struct.unpack_from(f"<{count}{layout}", raw)
        return name, tuple(listed)

    def _extended(self, shape: list[int], one: Field) -> list[int]:
        """A shape with the extents of one more field."""
        longer = shape + self._integers(one)
        if len(longer) > _MOST_AXES:
            raise ValueError(f"a tensor of more than {_MOST_AXES} axes")
        return longer

    def _integers(self, one: Field) -> list[int]:
        """The signed numbers of a varint, or of a packed field of them."""
        values = self._reader.varints(one.begin, one.end) if one.end else [one.value]
        return [value - (1 << 64) if value >> 63 else value for value in values]

    def _name(self, message: Field) -> str:
        for one in self._fields(message.begin, message.end, VALUE_INFO):
            if one.number == 1:
                return self._text(one)
        return ""

    def _text(self, one: Field) -> str:
        if one.end - one.begin > _MOST_NAME_BYTES:
            raise ValueError(f"a name of more than {_MOST_NAME_BYTES:,} bytes")
        return self._buffer[one.begin : one.end].decode()
