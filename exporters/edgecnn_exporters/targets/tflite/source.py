"""Reading a canonical graph for TFLite: of a fixed batch, and its 8-bit encodings beside it.

A QDQ graph says by pairs of QuantizeLinear and DequantizeLinear what is held in 8 bits. Here the
pairs are taken out again and what they said is kept by name: what is left is the float graph, and
which of its nodes compute in integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes.constants import FoldConstants
from edgecnn_exporters.passes.graph import (
    Array,
    constant,
    hand_over,
    is_operator,
    sole_reader,
)
from edgecnn_exporters.passes.shapes import InferShapes
from edgecnn_exporters.passes.sizes import FoldSizes
from edgecnn_exporters.quantise.encoding import Encoding
from edgecnn_exporters.quantise.output_encodings import noted_encoding
from edgecnn_exporters.targets.tflite.gelu import FuseGelu

_CLAMPS = ("Relu", "Clip")


@dataclass(frozen=True)
class Integers:
    """A constant of the QDQ graph: ``real = scale * (integers - zero_point)``.

    Attributes:
        scale: (), or (channels,) along `axis`.
    """

    array: Array
    scale: Array
    zero_point: int
    axis: int

    @property
    def reals(self) -> Array:
        """The float32 values that the integers stand for."""
        shape = [-1 if axis == self.axis else 1 for axis in range(self.array.ndim)]
        scale = self.scale.reshape(shape) if self.scale.ndim else self.scale
        reals: Array = (self.array.astype(np.int32) - self.zero_point).astype(np.float32) * scale
        return reals


@dataclass(frozen=True)
class Source:
    """A float graph of known shapes, and what of it is held in 8 bits.

    Attributes:
        encodings: of values, by name.
        constants: held in integers, by the name of the value that reads as float.
        integer: names of the nodes that compute in integers.
        outputs: encodings of float results of integer sums, for those who need them in 8 bits.
    """

    graph: ir.Graph
    encodings: Mapping[str, Encoding] = field(default_factory=dict)
    constants: Mapping[str, Integers] = field(default_factory=dict)
    integer: frozenset[str] = frozenset()
    outputs: Mapping[str, Encoding] = field(default_factory=dict)


def read_source(model: ir.Model, batch: int) -> Source:
    """The graph of `model`, which stays as it is, for inputs of that batch.

    Raises:
        UnsupportedModel: the size of a value is unknown, or 0, or its type is another than float32.
    """
    copy = model.clone()
    graph = copy.graph
    integer, outputs = _integer_nodes(graph)
    constants = _take_constants(graph)
    encodings = _take_pairs(graph)
    _fix_batch(copy, batch)
    # Last, for ONNX has a Gelu only since opset 20, and nothing infers shapes any more.
    FuseGelu()(copy)
    _check_values(graph)
    return Source(graph, encodings, constants, integer, outputs)


def _integer_nodes(graph: ir.Graph) -> tuple[frozenset[str], dict[str, Encoding]]:
    """Nodes between a DequantizeLinear and a QuantizeLinear, and what is noted on their results."""
    found: set[str] = set()
    outputs: dict[str, Encoding] = {}
    for node in graph:
        if _quantises(node) or _dequantises(node) or not _reads_integers(node):
            continue
        note = noted_encoding(node.outputs[0])
        if note is not None:
            outputs[str(node.outputs[0].name)] = note
        is_last = is_operator(node, "Gemm") and _is_dequantised(node.inputs[1])
        if note is not None or is_last or all(_is_held(output) for output in node.outputs):
            found.add(str(node.name))
    # A clip that the 8 bits of its sum stand for reads what was never held.
    for node in graph:
        if is_operator(node, *_CLAMPS) and node.inputs[0] is not None:
            before = node.inputs[0].producer()
            if before is not None and str(before.name) in found and not _reads_integers(node):
                found.add(str(node.name))
    return frozenset(found), outputs


def _reads_integers(node: ir.Node) -> bool:
    values = [value for value in node.inputs if value is not None and constant(value) is None]
    made = [value.producer() for value in values]
    return bool(made) and all(before is not None and _dequantises(before) for before in made)


def _is_dequantised(value: ir.Value | None) -> bool:
    before = value.producer() if value is not None else None
    return before is not None and _dequantises(before)


def _is_held(value: ir.Value) -> bool:
    """Whether the value, or the clip of it, is read by a QuantizeLinear alone."""
    reader = sole_reader(value)
    if reader is None:
        return False
    if is_operator(reader, *_CLAMPS):
        return _is_held(reader.outputs[0])
    return _quantises(reader)


def _quantises(node: ir.Node) -> bool:
    return is_operator(node, "QuantizeLinear")


def _dequantises(node: ir.Node) -> bool:
    return is_operator(node, "DequantizeLinear")


def _take_constants(graph: ir.Graph) -> dict[str, Integers]:
    """Constants in integers become float initialisers; what they were is returned by name."""
    found = {}
    for node in list(graph):
        array = constant(node.inputs[0]) if _dequantises(node) else None
        if array is None:
            continue
        scale, zero = _scale_and_zero_point(node)
        assert scale is not None
        offset = 0 if zero is None else int(zero.reshape(-1)[0])
        held = Integers(
            array,
            scale,
            offset,
            node.attributes.get_int("axis", 1) % array.ndim if array.ndim else 0,
        )
        output = node.outputs[0]
        name = str(output.name)
        made = ir.Value(
            name=name,
            const_value=ir.tensor(held.reals, name=name),
            type=ir.TensorType(ir.DataType.FLOAT),
            shape=ir.Shape(array.shape),
        )
        graph.register_initializer(made)
        ir.convenience.replace_all_uses_with(output, made)
        graph.remove(node, safe=True)
        found[name] = held
    return found


def _scale_and_zero_point(node: ir.Node) -> tuple[Array | None, Array | None]:
    """Of a QuantizeLinear or a DequantizeLinear, whose zero point is 0 where it says none."""
    return constant(node.inputs[1]), constant(node.inputs[2]) if len(node.inputs) > 2 else None


def _take_pairs(graph: ir.Graph) -> dict[str, Encoding]:
    found = {}
    for back in [node for node in graph if _dequantises(node)]:
        to = back.inputs[0].producer() if back.inputs[0] is not None else None
        value = to.inputs[0] if to is not None else None
        if to is None or not _quantises(to) or value is None:
            raise UnsupportedModel(
                f"{back.name} (DequantizeLinear) reads no QuantizeLinear and no constant; "
                "TFLite is written from the QDQ graph that edgecnn export --quantize makes"
            )
        scale, zero = _scale_and_zero_point(to)
        kind = np.dtype(np.uint8) if zero is None else zero.dtype
        if scale is None or scale.size != 1 or kind not in (np.int8, np.uint8):
            raise UnsupportedModel(
                f"{to.name} (QuantizeLinear) makes {kind} with a scale of shape "
                f"{None if scale is None else scale.shape}; TFLite holds what is computed in 8 "
                "bits with one scale"
            )
        offset = 0 if zero is None else int(zero.reshape(()))
        if zero is not None and zero.dtype == np.int8:
            offset += 128
        hand_over(back.outputs[0], value)
        graph.remove([back, to], safe=True)
        found[str(value.name)] = Encoding(float(scale.reshape(())), offset)
    return found


def _fix_batch(model: ir.Model, batch: int) -> None:
    for value in (*model.graph.inputs, *model.graph.outputs):
        if value.shape is not None and len(value.shape) and not isinstance(value.shape[0], int):
            value.shape = ir.Shape([batch, *list(value.shape)[1:]])
    InferShapes()(model)
    # With the batch known, sizes that were computed from it are constants.
    sized = {"Shape", "Size", "ConstantOfShape", "Expand", "Tile", "Range", "If"}
    while any(node.op_type in sized for node in model.graph):
        passes = (FoldSizes, FoldConstants, common.RemoveUnusedNodesPass, InferShapes)
        changed = [each()(model).modified for each in passes]
        if not any(changed):
            break


def _check_values(graph: ir.Graph) -> None:
    made = (output for node in graph for output in node.outputs)
    for value in (*graph.inputs, *made, *graph.outputs):
        is_read = value.name and (value.uses() or value.is_graph_output())
        if not is_read or (constant(value) is not None and not value.is_graph_output()):
            continue
        if value.dtype not in (ir.DataType.FLOAT, None):
            raise UnsupportedModel(
                f"{value.name} holds {value.dtype.name}: TFLite is written of networks that "
                "compute in float32; leave operators of other types to the application"
            )
        sizes = list(value.shape) if value.shape is not None else [None]
        if not all(isinstance(size, int) for size in sizes):
            raise UnsupportedModel(
                f"{value.name} has shape {value.shape}: TFLite needs every size; export with a "
                "fixed --batch, and say the size of the image with --input 1x3x224x224"
            )
        if 0 in sizes:
            raise UnsupportedModel(
                f"{value.name} has shape {value.shape}: an axis of 0 holds nothing to compute; "
                "look for a Slice or Split that leaves nothing"
            )


# The encodings of results that TFLite's kernels prescribe.
RESULTS = {
    "Softmax": Encoding(1 / 256, 0),
    "Sigmoid": Encoding(1 / 256, 0),
    "Tanh": Encoding(1 / 128, 128),
    "LogSoftmax": Encoding(16 / 256, 255),
}
_MOVES = ("Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")


def with_integer_results(source: Source) -> Source:
    """The same with 8 bits to the very end: no float operator is left behind the last sum."""
    encodings, integer = {**source.encodings, **source.outputs}, set(source.integer)
    for node in source.graph:
        before = node.inputs[0] if node.inputs else None
        if before is None or str(before.name) not in encodings or str(node.name) in integer:
            continue
        own = RESULTS.get(node.op_type)
        if is_operator(node, *_MOVES):
            own = encodings[str(before.name)]
        if own is not None and is_operator(node, *RESULTS, *_MOVES):
            encodings[str(node.outputs[0].name)] = own
            integer.add(str(node.name))
    return replace(source, encodings=encodings, integer=frozenset(integer))
