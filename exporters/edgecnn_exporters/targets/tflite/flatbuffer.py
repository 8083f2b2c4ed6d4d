"""Writer of a TFLite flatbuffer: tensors, constants and operators in, bytes out.

The schema's Python classes come with ai-edge-litert; no part of TensorFlow is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.targets.tflite import limits
from edgecnn_exporters.targets.tflite.tables import AlignedBuffer, code_of, signature_of
from edgecnn_exporters.targets.tflite.versions import Signature, version_of
from edgecnn_runtime.arrays import Array

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3

TYPES: Mapping[str, int] = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "int32": schema.TensorType.INT32,
    "uint8": schema.TensorType.UINT8,
    "int64": schema.TensorType.INT64,
    "bool": schema.TensorType.BOOL,
    "int16": schema.TensorType.INT16,
    "int8": schema.TensorType.INT8,
}
NAMES = {
    code: name
    for name, code in vars(schema.BuiltinOperator).items()
    if not name.startswith("_") and name.isupper()
}


@dataclass(frozen=True)
class Quantisation:
    """Quantisation parameters of a tensor: ``real = scale * (integer - zero_point)``.

    Attributes:
        scale: one number, or one for each index of `axis`.
        zero_point: as many as scales.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int = 0


class Flatbuffer:
    """One subgraph under construction. Tensors are known by their number.

    Args:
        values: names of the network's values, reserved for the tensors that hold them.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = frozenset(values)
        self.operators: Counter[str] = Counter()
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [AlignedBuffer()]
        self._constants: dict[tuple[Any, ...], int] = {}
        self._quantisations: dict[int, Quantisation] = {}
        self._names: set[str] = set()
        self._codes: list[tuple[int, int]] = []
        self._operators: list[Any] = []
        self._size = 0

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        quantisation: Quantisation | None = None,
        *,
        is_value: bool = False,
    ) -> int:
        """A tensor that an operator computes or that is fed; a name that is in use gets a number.

        Args:
            is_value: it holds the value of that name.
        """
        free_name = self._free_name(name, is_value=is_value)
        return self._add(free_name, shape, dtype, quantisation, buffer=0)

    def constant(self, name: str, array: Array, quantisation: Quantisation | None = None) -> int:
        """Add a constant tensor. Equal ones of the same quantisation are stored once.

        Raises:
            UnsupportedModel: all constants together are more than a flatbuffer can hold.
        """
        if array.nbytes > limits.LARGEST:
            raise limits.too_large(name)
        content = np.ascontiguousarray(array)
        key = (content.dtype.str, content.shape, quantisation, hash(content.tobytes()))
        existing = self._constants.get(key)
        if existing is not None and np.array_equal(self._bytes_of(existing), _bytes(content)):
            return existing
        self._size += content.nbytes
        if self._size > limits.LARGEST:
            raise limits.too_large(name)
        buffer = AlignedBuffer()
        buffer.data = _bytes(content)
        self._buffers.append(buffer)
        number = len(self._buffers) - 1
        free_name = self._free_name(name)
        index = self._add(free_name, array.shape, array.dtype.name, quantisation, number)
        self._constants[key] = index
        return index

    def operator(
        self,
        builtin: int,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
    ) -> None:
        """Add an operator; -1 stands for an optional input that is absent."""
        signature = Signature(
            tuple(self.dtype(index) if index >= 0 else "" for index in inputs),
            tuple(self.shape(index) if index >= 0 else () for index in inputs),
            self.dtype(outputs[0]),
            options,
        )
        code = (builtin, version_of(NAMES[builtin], signature))
        if code not in self._codes:
            self._codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.index(code)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self._operators.append(operator)
        self.operators[NAMES[builtin]] += 1

    def like(self, index: int, what: str, shape: Sequence[int]) -> int:
        """Add a tensor of the same type and quantisation in another shape, named NAME.what."""
        model = self._tensors[index]
        meaning = self._quantisations.get(index)
        name = self._free_name(f"{model.name}.{what}")
        return self._add(name, shape, self.dtype(index), meaning, buffer=0)

    def rename(self, index: int, name: str, *, is_value: bool = False) -> None:
        """Rename the tensor to `name`, with a number appended where that is in use."""
        self._names.discard(self._tensors[index].name)
        self._tensors[index].name = self._free_name(name, is_value=is_value)

    def constant_like(self, index: int, name: str, array: Array) -> int:
        """Add a constant with the tensor's quantisation."""
        return self.constant(name, array, self._quantisations.get(index))

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of a tensor, in memory order."""
        return tuple(self._tensors[index].shape)

    def dtype(self, index: int) -> str:
        """The type of a tensor's elements, by its name in numpy."""
        code = self._tensors[index].type
        return next(name for name, known in TYPES.items() if known == code)

    def finish(
        self,
        inputs: Mapping[str, int],
        outputs: Mapping[str, int],
        metadata: Mapping[str, bytes],
        description: str,
    ) -> bytes:
        """The bytes of the file. Inputs and outputs have names in its one signature.

        Args:
            metadata: buffers that readers find by their names.
        """
        import flatbuffers

        graph = schema.SubGraphT()
        graph.name = "main"
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = list(inputs.values()), list(outputs.values())
        model = schema.ModelT()
        model.version, model.description = SCHEMA_VERSION, description
        model.operatorCodes = [code_of(*code) for code in self._codes]
        model.subgraphs = [graph]
        model.signatureDefs = [signature_of(inputs, outputs)]
        model.metadata = [self._metadata(name, content) for name, content in metadata.items()]
        model.buffers = self._buffers
        builder = flatbuffers.Builder(self._size + 4096 * (len(self._tensors) + 16))
        builder.Finish(model.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())

    def _add(
        self,
        name: str,
        shape: Sequence[int],
        dtype: str,
        quantisation: Quantisation | None,
        buffer: int,
    ) -> int:
        tensor = schema.TensorT()
        tensor.name = name
        tensor.shape, tensor.type, tensor.buffer = [int(n) for n in shape], TYPES[dtype], buffer
        if quantisation is not None:
            parameters = schema.QuantizationParametersT()
            parameters.scale = np.array(quantisation.scale, np.float32)
            parameters.zeroPoint = np.array(quantisation.zero_point, np.int64)
            parameters.quantizedDimension = quantisation.axis
            tensor.quantization = parameters
            self._quantisations[len(self._tensors)] = quantisation
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _free_name(self, name: str, *, is_value: bool = False) -> str:
        candidate, number = name, 0
        while candidate in self._names or (candidate in self._values and not is_value):
            number += 1
            candidate = f"{name}_{number}"
        self._names.add(candidate)
        return candidate

    def _bytes_of(self, index: int) -> Array:
        data: Array = self._buffers[self._tensors[index].buffer].data
        return data

    def _metadata(self, name: str, content: bytes) -> Any:
        buffer = AlignedBuffer()
        buffer.data = np.frombuffer(content, np.uint8)
        self._buffers.append(buffer)
        self._size += len(content)
        entry = schema.MetadataT()
        entry.name, entry.buffer = name, len(self._buffers) - 1
        return entry


def _bytes(array: Array) -> Array:
    return np.frombuffer(array.tobytes(), np.uint8)
