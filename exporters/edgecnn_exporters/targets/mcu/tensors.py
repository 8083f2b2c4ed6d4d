"""Tensors and operators of a TFLite file: what lies in flash, what in RAM, and what computes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

_CUSTOM = "CUSTOM"


@dataclass(frozen=True)
class Tensor:
    """A tensor of a TFLite file: its name, dtype, shape and size."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size_bytes: int

    def __str__(self) -> str:
        extents = "x".join(map(str, self.shape)) or "scalar"
        return f"{self.name} ({self.dtype} {extents}, {self.size_bytes:,} bytes)"


@dataclass(frozen=True)
class TensorList:
    """Content of a TFLite file's first subgraph.

    Attributes:
        operators: count of each operator by its name in the schema, in the order of first use.
        weights: constant tensors: they stay in flash.
        activations: computed and fed tensors: they lie in the arena.
        inputs, outputs: those of the network, by the names of its signature, in the file's order.
        floats: operators that compute in float: (operator, name of its result).
    """

    operators: Mapping[str, int]
    weights: tuple[Tensor, ...]
    activations: tuple[Tensor, ...]
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    floats: tuple[tuple[str, str], ...]


def read_tensors(model: bytes) -> TensorList:
    """Read what a TFLite file holds, as far as memory and kernels are concerned."""
    from ai_edge_litert import schema_py_generated as schema

    file = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model))
    graph = file.subgraphs[0]
    types = _names(schema.TensorType)
    tensors = [_tensor(each, types) for each in graph.tensors]
    operators = _operators(file, graph, _names(schema.BuiltinOperator))
    is_weight = [bool(_size(file.buffers[each.buffer].data)) for each in graph.tensors]
    return TensorList(
        dict(Counter(name for name, _ in operators)),
        tuple(each for each, weight in zip(tensors, is_weight, strict=True) if weight),
        tuple(each for each, weight in zip(tensors, is_weight, strict=True) if not weight),
        _ends(file, graph.inputs, tensors, "inputs"),
        _ends(file, graph.outputs, tensors, "outputs"),
        tuple(
            (name, tensors[result].name)
            for name, result in operators
            if tensors[result].dtype.startswith("float") and name != "DEQUANTIZE"
        ),
    )


def _names(codes: type[Any]) -> dict[int, str]:
    return {code: name for name, code in vars(codes).items() if name.isupper()}


def _size(array: Any) -> int:
    return 0 if array is None else len(array)


def _tensor(tensor: Any, types: Mapping[int, str]) -> Tensor:
    shape = () if tensor.shape is None else tuple(map(int, tensor.shape))
    dtype = types[tensor.type].lower()
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return Tensor(tensor.name.decode(errors="replace"), dtype, shape, size)


def _operators(file: Any, graph: Any, names: Mapping[int, str]) -> list[tuple[str, int]]:
    """The operators in order: name, and number of the first result."""
    found = []
    for operator in graph.operators:
        code = file.operatorCodes[operator.opcodeIndex]
        # Files older than TensorFlow 2.4 have the code in the field of one byte.
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        name = names.get(number, str(number))
        if name == _CUSTOM:
            name += f" {(code.customCode or b'').decode(errors='replace')}"
        found.append((name, int(operator.outputs[0])))
    return found


def _ends(file: Any, indices: Iterable[int], tensors: list[Tensor], ends: str) -> dict[str, Tensor]:
    """Inputs or outputs by the names of the first signature, else by their own."""
    names = {index: tensors[index].name for index in map(int, indices)}
    for signature in (file.signatureDefs or [])[:1]:
        for entry in getattr(signature, ends) or []:
            if entry.tensorIndex in names:
                names[entry.tensorIndex] = entry.name.decode(errors="replace")
    return {name: tensors[index] for index, name in names.items()}
