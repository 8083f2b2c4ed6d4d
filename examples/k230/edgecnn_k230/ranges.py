"""The float graph and the ranges of a QDQ graph, as nncase takes them.

nncase reads no QuantizeLinear with a scale for each channel. It takes a float graph and a list of
ranges by the names of its values, its quantisation scheme, from which it computes scales:
``(max - min) / 255``. The ranges are written so that these are the scales of the QDQ graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


@dataclass(frozen=True)
class FloatGraph:
    """A float graph with weights on the grid of the QDQ graph's integers.

    Attributes:
        scheme: nncase's quantisation scheme, as JSON values.
    """

    model: bytes
    scheme: dict[str, Any]


def float_graph(content: bytes) -> FloatGraph:
    """Take the conversions out of a QDQ graph, and note the range of each."""
    model = onnx.load_from_string(content)
    graph = model.graph
    values = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    # Name of a value in the QDQ graph → of the float value that it stands for.
    sources: dict[str, str] = {}
    ranges: list[dict[str, Any]] = []
    kept = []
    for node in graph.node:
        if node.op_type == "QuantizeLinear":
            source = sources[node.output[0]] = sources.get(node.input[0], node.input[0])
            scale, zero_point = (values[name].item() for name in node.input[1:3])
            ranges.append(_of_activation(source, scale, zero_point))
        elif node.op_type == "DequantizeLinear" and node.input[0] in values:
            weight, found = _dequantised(node, values)
            graph.initializer.append(weight)
            ranges += found
        elif node.op_type == "DequantizeLinear":
            sources[node.output[0]] = sources[node.input[0]]
        else:
            kept.append(node)
    _rejoin(graph, kept, sources)
    for each in ranges:
        each["Name"] = _result_name(graph, sources, each["Name"])
    of_name = {each["Name"]: each for each in ranges}
    for name, same in _convolve(graph).items():
        ranges.append(of_name[same] | {"Name": name})
    scheme = {"Version": "1.0", "Model": None, "Outputs": ranges}
    return FloatGraph(model.SerializeToString(), scheme)


def _of_activation(name: str, scale: float, zero_point: int) -> dict[str, Any]:
    low, high = -zero_point * scale, (255 - zero_point) * scale
    return _entry(name, "u8", [(low, high)])


def _dequantised(
    node: onnx.NodeProto, values: dict[str, np.ndarray]
) -> tuple[onnx.TensorProto, list[dict[str, Any]]]:
    """A weight or bias in float, and the range of a weight; a bias has none: it is 32 bits."""
    integers, scale = values[node.input[0]], values[node.input[1]]
    axis = next((each.i for each in node.attribute if each.name == "axis"), 1)
    shape = [-1 if each == axis else 1 for each in range(integers.ndim)]
    along = scale.reshape(shape) if integers.ndim > 1 and scale.size > 1 else scale
    real = (integers.astype(np.float64) * along).astype(np.float32)
    tensor = numpy_helper.from_array(real, node.output[0])
    if integers.dtype != np.int8:
        return tensor, []
    each = np.broadcast_to(scale.reshape(-1), integers.shape[axis]).tolist()
    return tensor, [_entry(node.output[0], "i8", [(-128 * one, 127 * one) for one in each])]


def _entry(name: str, dtype: str, ranges: list[tuple[float, float]]) -> dict[str, Any]:
    return {
        "Name": name,
        "DataType": dtype,
        "DataRange": [{"Min": low, "Max": high, "IsFull": False} for low, high in ranges],
        "DataRangeMode": "by_channel" if dtype == "i8" else "by_tensor",
    }


def _rejoin(graph: onnx.GraphProto, kept: list[onnx.NodeProto], sources: dict[str, str]) -> None:
    """Leave `kept` as the graph's nodes, each reading what the one before it makes."""
    for node in kept:
        for index, name in enumerate(node.input):
            node.input[index] = _result_name(graph, sources, sources.get(name, name))
        for index, name in enumerate(node.output):
            node.output[index] = _result_name(graph, sources, name)
    del graph.node[:]
    graph.node.extend(kept)
    used = {name for node in kept for name in node.input}
    left = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend(left)
    del graph.value_info[:]


def _convolve(graph: onnx.GraphProto) -> dict[str, str]:
    """Spell Gemm as a convolution of one pixel; new names of values → those they equal.

    nncase makes a product and a sum of a Gemm, and leaves the sum, whose bias is no 8-bit number,
    to the CPU; a convolution adds its bias in 32 bits.
    """
    values = {each.name: each for each in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    equal: dict[str, str] = {}
    for node in graph.node:
        if node.op_type != "Gemm" or len(node.input) != 3:
            nodes.append(node)
            continue
        source, weight, bias = node.input
        is_transposed = any(each.name == "transB" and each.i for each in node.attribute)
        matrix = numpy_helper.to_array(values[weight])
        kernel = (matrix if is_transposed else matrix.T)[:, :, None, None]
        values[weight].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(kernel), weight))
        name, (result,) = node.name, node.output
        for shape, label in (([1, -1, 1, 1], "image"), ([1, -1], "row")):
            array = np.array(shape, np.int64)
            graph.initializer.append(numpy_helper.from_array(array, f"{name}.{label}"))
        pixel, convolved = f"{name}.pixel", f"{name}.convolved"
        equal |= {pixel: source, convolved: result}
        nodes += [
            helper.make_node("Reshape", [source, f"{name}.image"], [pixel]),
            helper.make_node("Conv", [pixel, weight, bias], [convolved], name=name),
            helper.make_node("Reshape", [convolved, f"{name}.row"], [result]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)
    return equal


def _result_name(graph: onnx.GraphProto, sources: dict[str, str], name: str) -> str:
    """The name of a result, for the value that its conversions were made of."""
    results = {sources[each.name]: each.name for each in graph.output if each.name in sources}
    return results.get(name, name)
