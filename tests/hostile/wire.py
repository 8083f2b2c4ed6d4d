"""Protobuf messages written by hand, in forms that no serialiser writes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper


def varint(value: int, padding: int = 0) -> bytes:
    """A number, with `padding` bytes more than it needs."""
    groups = []
    while not groups or value:
        groups.append(value & 0x7F)
        value >>= 7
    groups += [0] * padding
    return bytes([group | 0x80 for group in groups[:-1]]) + bytes(groups[-1:])


def field(number: int, content: bytes, *, padding: int = 0, beyond_32_bits: int = 0) -> bytes:
    """A field of bytes; its key may have bits that C++'s reader drops."""
    key = (number << 3 | 2) | beyond_32_bits << 32
    return varint(key, padding) + varint(len(content)) + content


def external_data(path: str, size: int) -> bytes:
    """The fields of a tensor that name a file."""
    entries = (("location", path), ("offset", "0"), ("length", str(size)))
    return b"".join(
        field(13, field(1, key.encode()) + field(2, value.encode())) for key, value in entries
    )


def tensor(path: str, size: int, location: bytes = b"\x70\x01") -> bytes:
    """A uint8 tensor ``secret`` whose bytes are those of a file."""
    head = b"\x08" + varint(size) + b"\x10" + varint(TensorProto.UINT8) + field(8, b"secret")
    return head + external_data(path, size) + location


def reader_of_secret(size: int) -> onnx.ModelProto:
    """A model with the sound bundle's input whose logits are the bytes of ``secret``."""
    nodes = [
        helper.make_node("Cast", ["secret"], ["bytes"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["bytes", "axis"], ["row"]),
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "one"], ["column"]),
        helper.make_node("Mul", ["column", "zero"], ["nothing"]),
        helper.make_node("Add", ["row", "nothing"], ["logits"]),
    ]
    constants = [
        helper.make_tensor("axis", TensorProto.INT64, [1], [0]),
        helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
    ]
    return model_of(nodes, constants, size)


def model_of(
    nodes: Sequence[onnx.NodeProto], constants: Sequence[onnx.TensorProto] = (), size: int = 3
) -> onnx.ModelProto:
    """A model of these nodes with the input and output of the sound bundle."""
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, 4, 4])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", size])
    graph = helper.make_graph(nodes, "graph", [image], [logits], constants)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="x"
    )


def integers(name: str, *values: int) -> onnx.TensorProto:
    """An int64 constant: a scalar of one value is a scalar."""
    shape = [len(values)] if len(values) != 1 else []
    return onnx.numpy_helper.from_array(np.array(values, np.int64).reshape(shape), name)
