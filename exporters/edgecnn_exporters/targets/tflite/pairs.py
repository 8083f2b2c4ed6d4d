"""Removal of QuantizeLinear and DequantizeLinear from a QDQ graph; their encodings are kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes.graph import constant, hand_over, is_operator, sole_reader
from edgecnn_exporters.quantise.encoding import Encoding
from edgecnn_exporters.quantise.graph.output_encodings import noted_encoding
from edgecnn_runtime.arrays import Array

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


def integer_nodes(graph: ir.Graph) -> tuple[frozenset[str], dict[str, Encoding]]:
    """Nodes between a DequantizeLinear and a QuantizeLinear, and encodings of their results."""
    nodes: set[str] = set()
    outputs: dict[str, Encoding] = {}
    for node in graph:
        if _quantises(node) or _dequantises(node) or not _reads_integers(node):
            continue
        note = noted_encoding(node.outputs[0])
        if note is not None:
            outputs[str(node.outputs[0].name)] = note
        is_last = is_operator(node, "Gemm") and _is_dequantised(node.inputs[1])
        if note is not None or is_last or all(_is_held(output) for output in node.outputs):
            nodes.add(str(node.name))
    # A clip that is fused into the sum before it reads a value that has no encoding.
    for node in graph:
        if is_operator(node, *_CLAMPS) and node.inputs[0] is not None:
            before = node.inputs[0].producer()
            if before is not None and str(before.name) in nodes and not _reads_integers(node):
                nodes.add(str(node.name))
    return frozenset(nodes), outputs


def _reads_integers(node: ir.Node) -> bool:
    values = [value for value in node.inputs if value is not None and constant(value) is None]
    producers = [value.producer() for value in values]
    return bool(producers) and all(
        before is not None and _dequantises(before) for before in producers
    )


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


def take_constants(graph: ir.Graph) -> dict[str, Integers]:
    """Turn integer constants into float initialisers, and return the integers by name."""
    constants = {}
    for node in list(graph):
        array = constant(node.inputs[0]) if _dequantises(node) else None
        if array is None:
            continue
        scale, zero = _scale_and_zero_point(node)
        assert scale is not None
        offset = 0 if zero is None else int(zero.reshape(-1)[0])
        integers = Integers(
            array,
            scale,
            offset,
            node.attributes.get_int("axis", 1) % array.ndim if array.ndim else 0,
        )
        output = node.outputs[0]
        name = str(output.name)
        value = ir.Value(
            name=name,
            const_value=ir.tensor(integers.reals, name=name),
            type=ir.TensorType(ir.DataType.FLOAT),
            shape=ir.Shape(array.shape),
        )
        graph.register_initializer(value)
        ir.convenience.replace_all_uses_with(output, value)
        graph.remove(node, safe=True)
        constants[name] = integers
    return constants


def _scale_and_zero_point(node: ir.Node) -> tuple[Array | None, Array | None]:
    """Scale and zero point of a QuantizeLinear or DequantizeLinear; None where not constant."""
    return constant(node.inputs[1]), constant(node.inputs[2]) if len(node.inputs) > 2 else None


def take_pairs(graph: ir.Graph) -> dict[str, Encoding]:
    """Remove the pairs, and return their encodings by the names of the values that they read.

    Raises:
        UnsupportedModel: a DequantizeLinear stands alone, or TFLite has no such encoding.
    """
    encodings = {}
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
        encodings[str(value.name)] = Encoding(float(scale.reshape(())), offset)
    return encodings
