"""Inputs, outputs, operators, weights and metadata of a TFLite file, read without an engine.

Field numbers are those of schema.fbs (LiteRT 2.3) and, of the metadata, of tflite-support's
metadata_schema.fbs. `limits.tflite` has refused custom operators and foreign buffers before.
"""

from __future__ import annotations

import math
import struct
from collections import Counter

from edgecnn.bundles.model_file import ModelFile, most_frequent
from edgecnn.bundles.tflite_operators import TFLITE_OPERATORS
from edgecnn_runtime.bundle.limits.flatbuffer import Flatbuffer
from edgecnn_runtime.errors import BundleUnreadable
from edgecnn_runtime.tensor_spec import TensorSpec

_MODEL_CODES, _MODEL_SUBGRAPHS, _MODEL_DESCRIPTION, _MODEL_BUFFERS, _MODEL_METADATA = 1, 2, 3, 4, 6
_SUBGRAPH_TENSORS, _SUBGRAPH_INPUTS, _SUBGRAPH_OUTPUTS, _SUBGRAPH_OPERATORS = 0, 1, 2, 3
_TENSOR_SHAPE, _TENSOR_TYPE, _TENSOR_BUFFER, _TENSOR_NAME = 0, 1, 2, 3
_TENSOR_QUANTISATION, _TENSOR_SIGNATURE = 4, 7
_SCALE, _ZERO_POINT = 2, 3
_MODEL_SIGNATURES = 7
_SIGNATURE_INPUTS, _SIGNATURE_OUTPUTS, _SIGNATURE_KEY = 0, 1, 2
_MAP_NAME, _MAP_TENSOR = 0, 1
# The engine of the runtime calls inputs and outputs by the names of this one, where it is there.
_SIGNATURE = "serving_default"
_BUFFER_DATA, _BUFFER_OFFSET, _BUFFER_SIZE = 0, 1, 2
_METADATA_NAME, _METADATA_BUFFER = 0, 1
_METADATA = "TFLITE_METADATA"
_METADATA_TEXTS = {"name": 0, "description": 1, "version": 2, "author": 4, "licence": 5}
# TensorType → name and bits of a number.
_TYPES = {
    **{0: ("float32", 32), 1: ("float16", 16), 2: ("int32", 32), 3: ("uint8", 8), 4: ("int64", 64)},
    **{5: ("string", 0), 6: ("bool", 8), 7: ("int16", 16), 9: ("int8", 8), 10: ("float64", 64)},
    **{17: ("int4", 4), 18: ("bfloat16", 16)},
}
_INTEGER = frozenset({"int8", "uint8", "int4"})


def describe_tflite(content: bytes, name: str) -> ModelFile:
    """The facts of a TFLite file.

    Raises:
        BundleUnreadable: it is no TFLite model.
    """
    try:
        return _Tflite(content).describe()
    except (struct.error, ValueError, IndexError, StopIteration) as error:
        raise BundleUnreadable(f"{name} is not a TFLite model: {error}") from error


class _Tflite:
    def __init__(self, content: bytes) -> None:
        self._file = Flatbuffer(content)
        self._root = self._file.offset(0)
        self._graph = next(self._file.tables(self._root, _MODEL_SUBGRAPHS))
        self._tensors = list(self._file.tables(self._graph, _SUBGRAPH_TENSORS))
        self._buffers = list(self._file.tables(self._root, _MODEL_BUFFERS))
        self._names = self._signature_names()

    def describe(self) -> ModelFile:
        inputs, outputs = self._ends(_SUBGRAPH_INPUTS), self._ends(_SUBGRAPH_OUTPUTS)
        weights = [self._type(one) for one in self._tensors if self._is_weight(one)]
        numbers = [self._numbers(one) for one in self._tensors if self._is_weight(one)]
        encodings = {self._name(one): self._encoding(one) for one in (*inputs, *outputs)}
        return ModelFile(
            format="tflite",
            size_bytes=len(self._file.content),
            inputs=tuple(map(self._spec, inputs)),
            outputs=tuple(map(self._spec, outputs)),
            precision=self._precision(weights, numbers),
            is_qdq=False,
            opset={},
            operators=self._operators(),
            parameters=sum(numbers),
            weights_bytes=sum(
                count * bits // 8 for (_, bits), count in zip(weights, numbers, strict=True)
            ),
            encodings={name: pair for name, pair in encodings.items() if pair is not None},
            producer=self._file.text(self._root, _MODEL_DESCRIPTION),
            metadata=self._metadata(),
        )

    def _ends(self, field: int) -> list[int]:
        return [self._tensors[int(at)] for at in self._file.vector(self._graph, field, "i")]

    def _precision(self, weights: list[tuple[str, int]], numbers: list[int]) -> str:
        """int8, fp16 or fp32: the type of most numbers in the weights."""
        counts: Counter[str] = Counter()
        for (dtype, _), count in zip(weights, numbers, strict=True):
            counts[dtype] += count
        if not counts:
            return "fp32"
        dtype = max(counts, key=counts.__getitem__)
        return "int8" if dtype in _INTEGER else "fp16" if dtype == "float16" else "fp32"

    def _operators(self) -> dict[str, int]:
        codes = [
            max(self._file.number(code, 0, "<b"), self._file.number(code, 3, "<i"))
            for code in self._file.tables(self._root, _MODEL_CODES)
        ]
        counts = Counter(
            codes[self._file.number(operator, 0, "<I")]
            for operator in self._file.tables(self._graph, _SUBGRAPH_OPERATORS)
        )
        return most_frequent(Counter({_operator(code): count for code, count in counts.items()}))

    def _spec(self, tensor: int) -> TensorSpec:
        shape = self._file.integers(tensor, _TENSOR_SHAPE)
        signature = self._file.integers(tensor, _TENSOR_SIGNATURE) or shape
        extents = tuple(None if extent < 1 else extent for extent in signature)
        return TensorSpec(self._name(tensor), self._type(tensor)[0], extents)

    def _name(self, tensor: int) -> str:
        return self._names.get(tensor) or self._file.text(tensor, _TENSOR_NAME)

    def _signature_names(self) -> dict[int, str]:
        """Tensor → its name in the signature; empty without one."""
        for signature in self._file.tables(self._root, _MODEL_SIGNATURES):
            if self._file.text(signature, _SIGNATURE_KEY) == _SIGNATURE:
                return {
                    self._tensors[self._file.number(one, _MAP_TENSOR, "<I")]: self._file.text(
                        one, _MAP_NAME
                    )
                    for field in (_SIGNATURE_INPUTS, _SIGNATURE_OUTPUTS)
                    for one in self._file.tables(signature, field)
                }
        return {}

    def _type(self, tensor: int) -> tuple[str, int]:
        number = self._file.number(tensor, _TENSOR_TYPE, "<b")
        return _TYPES.get(number, (f"type {number}", 0))

    def _numbers(self, tensor: int) -> int:
        return math.prod(self._file.integers(tensor, _TENSOR_SHAPE))

    def _encoding(self, tensor: int) -> tuple[float, int] | None:
        """(scale, zero point) of a tensor of 8 bits; None where it has none, or one a channel."""
        quantisation = self._file.field(tensor, _TENSOR_QUANTISATION)
        if not quantisation or self._type(tensor)[0] not in _INTEGER:
            return None
        table = self._file.offset(quantisation)
        # Longer ones are not read: the ends of a graph may all share them.
        if self._file.length(table, _SCALE) != 1 or self._file.length(table, _ZERO_POINT) > 1:
            return None
        (scale,) = self._file.vector(table, _SCALE, "f")
        zero_points = self._file.vector(table, _ZERO_POINT, "q")
        return scale, int(zero_points[0]) if zero_points else 0

    def _is_weight(self, tensor: int) -> bool:
        """Whether a tensor has data in the file."""
        buffer = self._buffers[self._file.number(tensor, _TENSOR_BUFFER, "<I")]
        is_inside = self._file.length(buffer, _BUFFER_DATA) > 0
        return is_inside or self._file.number(buffer, _BUFFER_OFFSET, "<Q") > 1

    def _metadata(self) -> dict[str, str]:
        """Name, description, version, author and licence of the model's metadata."""
        for entry in self._file.tables(self._root, _MODEL_METADATA):
            if self._file.text(entry, _METADATA_NAME) != _METADATA:
                continue
            buffer = self._buffers[self._file.number(entry, _METADATA_BUFFER, "<I")]
            inner = Flatbuffer(self._file.bytes_of(buffer, _BUFFER_DATA))
            root = inner.offset(0)
            texts = {name: inner.text(root, field) for name, field in _METADATA_TEXTS.items()}
            return {name: text for name, text in texts.items() if text}
        return {}


def _operator(code: int) -> str:
    return TFLITE_OPERATORS[code] if 0 <= code < len(TFLITE_OPERATORS) else f"operator {code}"
