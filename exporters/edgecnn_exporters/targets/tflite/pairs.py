"""Removal of QuantizeLinear and DequantizeLinear from a QDQ graph; their encodings are kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes.graph import constant, hand_over, is_operator
from edgecnn_exporters.quantise.graph.integer_marks import is_marked_integer
from edgecnn_runtime.arrays import Array
from edgecnn_runtime.encoding import Encoding


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


def integer_nodes(graph: ir.Graph) -> frozenset[str]:
    """Names of the nodes that are planned in integers."""
    return frozenset(str(node.name) for node in graph if is_marked_integer(node))


def _quantises(node: ir.Node) -> bool:
    return is_operator(node, "QuantizeLinear")


def _dequantises(node: ir.Node) -> bool:
    return is_operator(node, "DequantizeLinear")


def take_constants(graph: ir.Graph) -> dict[str, Integers]:
    """Turn integer constants into float initialisers, and return the integers by name.

    Where no constant has scales that differ, the graph was quantised with one for each weight, and
    so are the integers returned.
    """
    constants: dict[str, Integers] = {}
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
    if any(np.ptp(each.scale) for each in constants.values()):
        return constants
    return {
        name: replace(each, scale=each.scale.reshape(-1)[:1].reshape(()))
        for name, each in constants.items()
    }


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
