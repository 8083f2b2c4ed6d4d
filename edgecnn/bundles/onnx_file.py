"""Inputs, outputs, opset, operators and weights of an ONNX message, read without the onnx package.

Field numbers are those of onnx.proto (ONNX 1.23). `limits.onnx` has refused what is not one
message of plain weights before.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from edgecnn.bundles.model_file import ModelFile, most_frequent
from edgecnn_runtime.bundle.limits.onnx_schema import GRAPH, MODEL, NODE, TENSOR, VALUE_INFO
from edgecnn_runtime.bundle.limits.protobuf import Field, FieldType, MessageReader
from edgecnn_runtime.errors import BundleUnreadable
from edgecnn_runtime.tensor_spec import TensorSpec

_DATA, _DATAS, _INT = FieldType(2), FieldType(2, is_repeated=True), FieldType(0)
_TYPE = dict.fromkeys((1, 4, 5, 6, 7, 8, 9), _DATA)
_TENSOR_TYPE = {1: _INT, 2: _DATA}
_SHAPE = {1: _DATAS}
_DIMENSION = {1: _INT, 2: _DATA, 3: _DATA}
_OPSET = {1: _DATA, 2: _INT}
_KEY_VALUE = {1: _DATA, 2: _DATA}
# TensorProto.DataType → name and bits of a number.
_TYPES = {
    **{1: ("float32", 32), 2: ("uint8", 8), 3: ("int8", 8), 4: ("uint16", 16), 5: ("int16", 16)},
    **{6: ("int32", 32), 7: ("int64", 64), 8: ("string", 0), 9: ("bool", 8), 10: ("float16", 16)},
    **{11: ("float64", 64), 12: ("uint32", 32), 13: ("uint64", 64), 16: ("bfloat16", 16)},
    **{21: ("uint4", 4), 22: ("int4", 4)},
}
_QDQ = frozenset({"QuantizeLinear", "DequantizeLinear"})
_INTEGER = ("QLinear", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear")
_MOST_NOTES = 32


def describe_onnx(content: bytes, name: str) -> ModelFile:
    """The facts of an ONNX file.

    Raises:
        BundleUnreadable: it is no ONNX message, or has inputs that are no tensors.
    """
    try:
        return _Onnx(content).describe()
    except ValueError as error:
        raise BundleUnreadable(f"{name} is not an ONNX model: {error}") from error


class _Onnx:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self._reader = MessageReader(content)
        self._weights: dict[str, tuple[str, int, int]] = {}
        self._operators: Counter[str] = Counter()
        self._inputs: list[TensorSpec] = []
        self._outputs: list[TensorSpec] = []

    def describe(self) -> ModelFile:
        opset, producer, notes = dict[str, int](), ["", ""], dict[str, str]()
        for one in self._reader.fields(0, len(self._content), MODEL):
            if one.number in (2, 3):
                producer[one.number - 2] = self._text(one)
            elif one.number == 7:
                self._read_graph(one)
            elif one.number == 8:
                domain, version = self._opset(one)
                opset[domain or "ai.onnx"] = version
            elif one.number == 14 and len(notes) < _MOST_NOTES:
                key, value = self._pair(one, _KEY_VALUE)
                notes[key] = value
        is_qdq = bool(_QDQ & self._operators.keys())
        return ModelFile(
            format="onnx",
            size_bytes=len(self._content),
            inputs=tuple(spec for spec in self._inputs if spec.name not in self._weights),
            outputs=tuple(self._outputs),
            precision=self._precision(is_qdq),
            is_qdq=is_qdq,
            opset=opset,
            operators=most_frequent(self._operators),
            parameters=sum(count for _, count, _ in self._weights.values()),
            weights_bytes=sum(count * bits // 8 for _, count, bits in self._weights.values()),
            producer=" ".join(filter(None, producer)),
            metadata=notes,
        )

    def _precision(self, is_qdq: bool) -> str:
        if is_qdq or any(name.startswith(_INTEGER) for name in self._operators):
            return "int8"
        halves = sum(count for dtype, count, _ in self._weights.values() if dtype == "float16")
        numbers = sum(count for _, count, _ in self._weights.values())
        return "fp16" if 2 * halves > numbers else "fp32"

    def _read_graph(self, message: Field) -> None:
        for one in self._fields(message, GRAPH):
            if one.number == 1:
                self._operators[self._operator(one)] += 1
            elif one.number == 5:
                self._read_weight(one)
            elif one.number in (11, 12):
                (self._inputs if one.number == 11 else self._outputs).append(self._value(one))

    def _operator(self, message: Field) -> str:
        for one in self._fields(message, NODE):
            if one.number == 4:
                return self._text(one)
        return ""

    def _read_weight(self, message: Field) -> None:
        name, dtype = "", 0
        shape: list[int] = []
        for one in self._fields(message, TENSOR):
            if one.number == 1:
                shape += self._reader.varints(one.begin, one.end) if one.end else [one.value]
            elif one.number == 2:
                dtype = one.value
            elif one.number == 8:
                name = self._text(one)
        kind, bits = _TYPES.get(dtype, (f"type {dtype}", 0))
        self._weights[name] = kind, math.prod(shape), bits

    def _value(self, message: Field) -> TensorSpec:
        """An input or output.

        Raises:
            ValueError: it is no tensor, or its shape is not stated.
        """
        name, dtype, shape = "", "", None
        for one in self._fields(message, VALUE_INFO):
            if one.number == 1:
                name = self._text(one)
            elif one.number == 2:
                for kind in self._fields(one, _TYPE):
                    if kind.number == 1:
                        dtype, shape = self._tensor_type(kind)
        if shape is None:
            raise ValueError(f"{name!r} is no tensor with a shape")
        return TensorSpec(name, dtype, shape)

    def _tensor_type(self, message: Field) -> tuple[str, tuple[int | None, ...] | None]:
        dtype, shape = "", None
        for one in self._fields(message, _TENSOR_TYPE):
            if one.number == 1:
                dtype = _TYPES.get(one.value, (f"type {one.value}", 0))[0]
            else:
                shape = tuple(self._extent(each) for each in self._fields(one, _SHAPE))
        return dtype, shape

    def _extent(self, message: Field) -> int | None:
        for one in self._fields(message, _DIMENSION):
            if one.number == 1:
                return one.value if 0 < one.value < 1 << 63 else None
        return None

    def _opset(self, message: Field) -> tuple[str, int]:
        domain, version = "", 0
        for one in self._fields(message, _OPSET):
            if one.number == 1:
                domain = self._text(one)
            else:
                version = one.value
        return domain, version

    def _pair(self, message: Field, schema: Mapping[int, FieldType]) -> tuple[str, str]:
        texts = {one.number: self._text(one) for one in self._fields(message, schema)}
        return texts.get(1, ""), texts.get(2, "")

    def _fields(self, message: Field, schema: Mapping[int, FieldType]) -> list[Field]:
        return list(self._reader.fields(message.begin, message.end, schema))

    def _text(self, one: Field) -> str:
        return self._content[one.begin : one.end].decode(errors="replace")
