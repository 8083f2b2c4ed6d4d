"""Diagnosis candidate: a TFLite file in LiteRT, whole and cut at every value."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from typing import Any

import flatbuffers
import numpy as np
import onnx_ir as ir
from ai_edge_litert import schema_py_generated as schema

from edgecnn_exporters.diagnose.align import points_of
from edgecnn_exporters.diagnose.causes.runtime import PLAIN_KERNELS
from edgecnn_exporters.diagnose.isolate import Cut
from edgecnn_exporters.diagnose.sources import Candidate
from edgecnn_exporters.diagnose.tflite.graph import read_graph
from edgecnn_exporters.diagnose.tflite.reading import NHWC, as_onnx, as_tflite, encoding_of
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.engines.unasked_lines import DELEGATE, without_line
from edgecnn_runtime.errors import EngineError, first_line


class TfliteCandidate:
    """A TFLite file in LiteRT, with XNNPACK where LiteRT takes it."""

    def __init__(self, content: bytes, precision: str, *, delegates: bool = True) -> None:
        """Open a file from its bytes."""
        file = read_graph(content)
        self.precision = precision
        self.name = f"LiteRT, {'XNNPACK' if delegates else 'its own kernels'}"
        self.unread = file.unread
        self.model = self.content = file.model
        points = points_of(file.model).items()
        self.missing = frozenset(n for n, p in points if p.read in file.reordered)
        self.settings: Mapping[str, Candidate] = {}
        self._content, self._tensors, self._delegates = content, file.tensors, delegates
        if delegates:
            self.settings = {PLAIN_KERNELS: TfliteCandidate(content, precision, delegates=False)}

    def values(self, feeds: Mapping[str, Array], names: Collection[str]) -> dict[str, Array]:
        points = {name: p for name, p in points_of(self.model).items() if name in names}
        wanted = {name: self._tensors[p.read] for name, p in points.items()}
        fed = {self._tensors[name]: array for name, array in feeds.items()}
        model = _parse(self._content)
        _set_outputs(model, wanted.values())
        arrays = self._run(model, fed, list(wanted.values()))
        return {name: arrays[index] for name, index in wanted.items()}

    def isolated(self, cut: Cut, values: Mapping[str, Array]) -> dict[str, Array]:
        model, fed = self._cut(cut, set(cut.outputs))
        arrays = self._run(
            model,
            {index: values[name] for name, index in fed.items()},
            [self._tensors[cut.points[name].read] for name in cut.outputs],
        )
        return {name: arrays[self._tensors[cut.points[name].read]] for name in cut.outputs}

    def piece(self, cut: Cut, name: str) -> bytes:
        """A file of only the operators that compute one value, its output."""
        model, _ = self._cut(cut, {name})
        return _pack(_pruned(model))

    def _cut(self, cut: Cut, outputs: Collection[str]) -> tuple[Any, dict[str, int]]:
        """The file with a new input for every cut value, and these inputs' tensors by name."""
        model = _parse(self._content)
        graph = model.subgraphs[0]
        own_inputs = [int(index) for index in graph.inputs]
        # What is fed has the reference's shape, which the file's own need not be.
        shapes = {str(each.name): _tensor_shape(each.shape) for each in cut.model.graph.inputs}
        fed: dict[str, int] = {}
        for name in cut.inputs:
            index = self._tensors[cut.points[name].read]
            first = self._tensors[cut.points[name].computed]
            if first in own_inputs:
                fed[name] = first
                continue
            again = copy(graph.tensors[index])
            again.name = f"{name}@fed".encode()
            again.shape = shapes.get(cut.inputs[name], again.shape)
            again.shapeSignature = None
            graph.tensors.append(again)
            fed[name] = len(graph.tensors) - 1
            for op in graph.operators:
                op.inputs = [fed[name] if int(i) == index else int(i) for i in op.inputs]
        graph.inputs = list(fed.values())
        _set_outputs(model, [self._tensors[cut.points[name].read] for name in outputs])
        return model, fed

    def _run(self, model: Any, fed: Mapping[int, Array], wanted: Sequence[int]) -> dict[int, Array]:
        """Reals of the wanted tensors, sample by sample: the batch of a file is fixed."""
        tensors = model.subgraphs[0].tensors
        interpreter = open_interpreter(_pack(model), delegates=self._delegates)
        inputs = {int(detail["index"]) for detail in interpreter.get_input_details()}
        batch = max(len(array) for array in fed.values())
        runs: dict[int, list[Array]] = {index: [] for index in wanted}
        for sample in range(batch):
            for index, array in fed.items():
                if index in inputs:
                    image = as_tflite(array[sample : sample + 1])
                    _set(interpreter, index, _quantise(tensors[index], image))
            interpreter.invoke()
            for index, samples in runs.items():
                stored = interpreter.get_tensor(index)
                samples.append(as_onnx(_dequantise(tensors[index], stored)))
        return {index: np.concatenate(each) for index, each in runs.items()}


def _set(interpreter: Any, index: int, array: Array) -> None:
    try:
        interpreter.set_tensor(index, array)
    except ValueError as error:
        raise EngineError(f"LiteRT refuses an input of the file: {first_line(error)}") from error


def open_interpreter(content: bytes, *, delegates: bool) -> Any:
    """The interpreter, its tensors allocated, one thread.

    Raises:
        EngineError: LiteRT refuses the file.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kind = OpResolverType.AUTO if delegates else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        with without_line(DELEGATE):
            interpreter = Interpreter(
                model_content=content, num_threads=1, experimental_op_resolver_type=kind
            )
            interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise EngineError(f"LiteRT refuses the file: {first_line(error)}") from error
    return interpreter


def _tensor_shape(shape: ir.Shape | None) -> list[int]:
    """Shape of a tensor for one sample of an ONNX input, (N, …)."""
    known = () if shape is None else shape[1:]
    sizes = [1, *(size for size in known if isinstance(size, int))]
    return [sizes[axis] for axis in NHWC] if len(sizes) == 4 else sizes


def _parse(content: bytes) -> Any:
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))


def _pack(model: Any) -> bytes:
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _set_outputs(model: Any, tensors: Iterable[int]) -> None:
    graph = model.subgraphs[0]
    computed = {int(index) for op in graph.operators for index in op.outputs}
    graph.outputs = [index for index in dict.fromkeys(map(int, tensors)) if index in computed]
    model.signatureDefs = None  # they name the former inputs and outputs


def _pruned(model: Any) -> Any:
    """Keep only the operators that the outputs need, and the inputs that these read."""
    graph = model.subgraphs[0]
    needed, kept = {int(index) for index in graph.outputs}, []
    for op in reversed(graph.operators):
        if needed & {int(index) for index in op.outputs}:
            kept.append(op)
            needed |= {int(index) for index in op.inputs}
    graph.operators = kept[::-1]
    graph.inputs = [index for index in graph.inputs if int(index) in needed]
    used = {tensor.buffer for index, tensor in enumerate(graph.tensors) if index in needed}
    for index, buffer in enumerate(model.buffers):
        if index not in used:
            buffer.data = None
    return model


def _quantise(tensor: Any, values: Array) -> Array:
    """Reals as the tensor stores them."""
    encoding = encoding_of(tensor)
    if encoding is None or tensor.type not in (schema.TensorType.INT8, schema.TensorType.UINT8):
        return values.astype(np.float32)
    scale, zero, _ = encoding
    kind = np.int8 if tensor.type == schema.TensorType.INT8 else np.uint8
    limits = np.iinfo(kind)
    integers: Array = np.clip(np.rint(values / scale) + zero, limits.min, limits.max).astype(kind)
    return integers


def _dequantise(tensor: Any, values: Array) -> Array:
    encoding = encoding_of(tensor)
    if encoding is None or values.dtype == np.float32:
        return values.astype(np.float32)
    scale, zero, _ = encoding
    reals: Array = ((values.astype(np.int32) - zero) * scale).astype(np.float32)
    return reals
