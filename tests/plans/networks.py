"""Small QDQ graphs: every value of a float network held in 8 bits at its range on some samples."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.passes.graph import constant, is_operator, new_initialiser, sole_reader
from edgecnn_exporters.quantise.graph.activation_pair import insert_pair
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_runtime.encoding import Encoding, Range, encode

RANDOM = np.random.default_rng(0)
SIZE = (6, 9, 11)
SAMPLES = [RANDOM.standard_normal((1, *SIZE)).astype(np.float32) for _ in range(4)]
MOVES = (
    *("MaxPool", "Reshape", "Flatten", "Transpose", "Slice", "Split", "Squeeze", "Unsqueeze"),
    *("Pad", "Resize", "Identity", "Dropout", "DepthToSpace", "SpaceToDepth"),
    "AveragePool",  # as the quantiser's rule says
)


def weight(*shape: int) -> np.ndarray:
    return (RANDOM.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


WEIGHTS = {
    "point": weight(20, 6, 1, 1),
    "back": weight(6, 20, 1, 1),
    "full": weight(18, 6, 3, 3),
    "tall": weight(5, 6, 5, 2),
    "wise": weight(6, 1, 3, 3),
    "wise5": weight(20, 1, 5, 5),
    "double": weight(12, 1, 3, 3),
    "grouped": weight(6, 3, 3, 3),
    "many": weight(80, 6, 1, 1),
    "many3": weight(80, 1, 3, 3),
    "many_back": weight(6, 80, 1, 1),
    "halves": weight(32, 40, 3, 3),
    "summand": weight(20),
    "fc": weight(10, 6),
    "matrix": weight(6, 10),
    "three_by_three": weight(3, 3, 1, 1),
    "tenth": weight(10, 4),
    "fc_map": weight(7, 6 * 9 * 11),
    "reduce": weight(4, 6, 1, 1),
    "expand": weight(6, 4, 1, 1),
    "twelve": weight(6, 12, 1, 1),
    "sixteen": weight(32, 6, 3, 3),
    "twenty_two": weight(16, 38, 1, 1),
    "thirty_eight": weight(16, 54, 1, 1),
    "back6": weight(6, 6, 1, 1),
    "half": np.array(0.5, np.float32),
    "slope": np.array([0.2], np.float32),
    "slopes": np.linspace(-0.5, 1.5, 6, dtype=np.float32).reshape(6, 1, 1),
    "offsets": np.linspace(-1, 1, 6, dtype=np.float32).reshape(6, 1, 1),
    "edges": np.array([0, 0, 1, 2, 0, 0, 2, 1]),
    "channel_edges": np.array([0, 3, 0, 0, 0, 2, 0, 0]),
    "cutting_edges": np.array([0, 0, -1, 2, 0, 0, 3, -2]),
    "split_channels": np.array([0, 2, 2, 2, 9, 11]),
    "shuffled": np.array([0, 2, 18, 22]),
    "split_pixels": np.array([0, 6, 9, 2, 11, 2]),
    "unshuffled": np.array([0, 24, 9, 11]),
    "lines": np.array([0, 20, -1]),
    "three": np.array(3, np.float32),
    "doubled": np.array([1, 1, 2, 2], np.float32),
    "odd": np.array([1, 1, 1.7, 0.6], np.float32),
    "groups": np.array([0, 2, 3, 9, 11]),
    "image": np.array([0, -1, 9, 11]),
    "starts": np.array([1, 2]),
    "ends": np.array([5, 9]),
    "at": np.array([1, 3]),
    "steps": np.array([1, 2]),
    "axes": np.array([2, 3]),
    "turned2": weight(6, 5, 2, 2),
    "turned3": weight(6, 16, 3, 3),
    "turned4": weight(6, 7, 4, 3),
    "five": weight(5),
    "eight": weight(8, 6, 1, 1),
    "shares": weight(10, 6, 1, 1) * 6,
}


@dataclass(frozen=True)
class Quantised:
    """A QDQ graph, and the encoding of its output where that is held in 8 bits."""

    model: ir.Model
    encoding: Encoding | None


def quantised(
    body: str, reads: str = "float[N, 6, 9, 11] x", answers: str = "float[N, C, H, W] y"
) -> Quantised:
    """The QDQ graph of a network of float operators that computes y from x.

    Sums that a Relu or a Clip alone reads, values called ``float…`` and what operators called
    ``result…`` make stay float.
    """
    known = {name: array for name, array in WEIGHTS.items() if re.search(rf"\b{name}\b", body)}
    model = network(body, known, reads=reads, answers=answers)
    graph = model.graph
    values = [*graph.inputs, *(output for node in graph for output in node.outputs)]
    ranges = _ranges(model, [str(value.name) for value in values])
    nodes = list(graph)
    encodings: dict[str, Encoding] = {}
    for value in values:
        if _stays_float(value):
            continue
        encoding = _encoding(value, ranges, encodings)
        encodings[str(value.name)] = encoding
        uses = list(value.uses())
        held = insert_pair(graph, value, encoding, uses, is_result=True)
        encodings[str(held.name)] = encoding
    for node in nodes:
        if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
            _quantise_weight(graph, node, encodings)
    return Quantised(model, encodings.get("y"))


def _stays_float(value: ir.Value) -> bool:
    reader, node = sole_reader(value), value.producer()
    is_clipped = reader is not None and is_operator(reader, "Relu", "Clip")
    is_result = node is not None and str(node.name).startswith("result")
    sums = node is not None and is_operator(node, "Conv", "ConvTranspose", "Gemm", "Add", "Mul")
    return (is_clipped and sums) or is_result or str(value.name).startswith("float")


def _ranges(model: ir.Model, names: list[str]) -> dict[str, Range]:
    shape = [size if isinstance(size, int) else 1 for size in model.graph.inputs[0].shape or ()]
    samples = [np.resize(sample, shape) for sample in SAMPLES]
    inputs = [str(value.name) for value in model.graph.inputs]
    probe = ValueProbe(model, names)
    runs = [probe.run_all(dict.fromkeys(inputs, sample)) for sample in samples]
    return {
        name: Range(
            min(float(run[name].min()) for run in runs), max(float(run[name].max()) for run in runs)
        )
        for name in names
    }


def _encoding(
    value: ir.Value, ranges: dict[str, Range], encodings: dict[str, Encoding]
) -> Encoding:
    """That of what it moves; else of its range, which ends short of the rarest values."""
    node = value.producer()
    if node is not None and node.op_type in MOVES:
        source = node.inputs[0]
        assert source is not None
        return encodings[str(source.name)]
    if node is not None and is_operator(node, "Concat"):
        return (
            encodings[str(node.inputs[0].name)]
            if node.inputs[0] is not None
            else encode(Range(-1, 1))
        )
    found = ranges[str(value.name)]
    return encode(Range(0.9 * found.low, 0.9 * found.high))


def _quantise_weight(graph: ir.Graph, node: ir.Node, encodings: dict[str, Encoding]) -> None:
    array = constant(node.inputs[1])
    assert array is not None
    is_turned = node.op_type == "MatMul" or (node.op_type == "Gemm" and _is_plain(node))
    axis = 1 if is_turned or node.op_type == "ConvTranspose" else 0
    others = tuple(each for each in range(array.ndim) if each != axis)
    if node.op_type == "ConvTranspose" and node.attributes.get_int("group", 1) > 1:
        others = tuple(range(array.ndim))
    scale = (np.abs(array).max(axis=others) / 127).astype(np.float32)
    wide = scale.reshape([1 if each in others else -1 for each in range(array.ndim)])
    _dequantise(graph, node, 1, np.rint(array / wide).astype(np.int8), scale, axis)
    bias = constant(node.inputs[2]) if len(node.inputs) > 2 else None
    if bias is not None:
        source = node.inputs[0]
        assert source is not None
        units = np.float32(encodings[str(source.name)].scale) * scale.reshape(-1)
        _dequantise(graph, node, 2, np.rint(bias / units).astype(np.int32), units, 0)


def _is_plain(node: ir.Node) -> bool:
    return node.attributes.get_int("transB", 0) == 0


def _dequantise(
    graph: ir.Graph, node: ir.Node, index: int, integers: np.ndarray, scale: np.ndarray, axis: int
) -> None:
    name = f"{node.name}.{index}"
    inputs = [
        new_initialiser(graph, f"{name}.integers", integers),
        new_initialiser(graph, f"{name}.scale", scale),
        new_initialiser(graph, f"{name}.zero", np.zeros(scale.shape, integers.dtype)),
    ]
    back = ir.node("DequantizeLinear", inputs, attributes={"axis": axis}, name=f"{name}.real")
    back.outputs[0].name = back.name
    back.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    graph.insert_before(node, [back])
    node.replace_input_with(index, back.outputs[0])
