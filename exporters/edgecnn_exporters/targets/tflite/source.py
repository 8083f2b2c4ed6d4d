"""Reader of a canonical graph for TFLite: a float graph of fixed batch, and its 8-bit encodings.

A QDQ graph marks 8-bit values by pairs of QuantizeLinear and DequantizeLinear. Here the pairs are
removed and their encodings kept by name: what is left is the float graph, and the names of its
nodes that compute in integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes.fixed_batch import fix_batch
from edgecnn_exporters.passes.graph import constant
from edgecnn_exporters.targets.tflite.activations import clip_bounds
from edgecnn_exporters.targets.tflite.gelu import FuseGelu
from edgecnn_exporters.targets.tflite.pairs import (
    Integers,
    integer_nodes,
    take_constants,
    take_pairs,
)
from edgecnn_runtime.encoding import Encoding


@dataclass(frozen=True)
class TFLiteSource:
    """A float graph of static shapes, and the encodings of its 8-bit values.

    Attributes:
        encodings: of values, by name.
        constants: held in integers, by the name of the value that reads as float.
        integer: names of the nodes that compute in integers.
        unheld: of `encodings`, the results that only a clip behind them reads and that the QDQ
            graph does not hold: they have the encoding of the clip's result.
    """

    graph: ir.Graph
    encodings: Mapping[str, Encoding] = field(default_factory=dict)
    constants: Mapping[str, Integers] = field(default_factory=dict)
    integer: frozenset[str] = frozenset()
    unheld: frozenset[str] = frozenset()


def read_source(model: ir.Model, batch: int) -> TFLiteSource:
    """The graph of `model`, which stays as it is, for inputs of that batch.

    Raises:
        UnsupportedModel: the size of a value is unknown, or 0, or its type is another than float32.
    """
    copy = model.clone()
    graph = copy.graph
    integer = integer_nodes(graph)
    constants = take_constants(graph)
    encodings = take_pairs(graph)
    unheld = _unheld(graph, integer, encodings)
    fix_batch(copy, batch)
    # Last, for ONNX has a Gelu only since opset 20, and nothing infers shapes any more.
    FuseGelu()(copy)
    _check_values(graph)
    encodings |= unheld
    constants |= _held_constants(graph, encodings)
    return TFLiteSource(graph, encodings, constants, integer, frozenset(unheld))


def _held_constants(graph: ir.Graph, encodings: Mapping[str, Encoding]) -> dict[str, Integers]:
    """Integers of what became constant with the batch, and has an encoding of a computed value."""
    held = {}
    for name, value in graph.initializers.items():
        array, encoding = constant(value), encodings.get(name)
        if array is not None and encoding is not None:
            integers = encoding.quantise(array.astype(np.float32))
            scale = np.array(encoding.scale, np.float32)
            held[name] = Integers(integers, scale, encoding.zero_point, 0)
    return held


def _unheld(
    graph: ir.Graph, integer: frozenset[str], encodings: Mapping[str, Encoding]
) -> dict[str, Encoding]:
    """Encodings for results that an integer clip reads, and that have none of their own."""
    return {
        str(node.inputs[0].name): encodings[str(node.outputs[0].name)]
        for node in graph
        if str(node.name) in integer
        and clip_bounds(node) is not None
        and node.inputs[0] is not None
        and str(node.inputs[0].name) not in encodings
        and str(node.outputs[0].name) in encodings
    }


def _check_values(graph: ir.Graph) -> None:
    computed = (output for node in graph for output in node.outputs)
    for value in (*graph.inputs, *computed, *graph.outputs):
        is_read = value.name and (value.uses() or value.is_graph_output())
        if not is_read or (constant(value) is not None and not value.is_graph_output()):
            continue
        if value.dtype not in (ir.DataType.FLOAT, None):
            raise UnsupportedModel(
                f"{value.name} holds {value.dtype.name}: TFLite is written from networks that "
                "compute in float32; leave operators of other types to the application"
            )
        sizes = list(value.shape) if value.shape is not None else [None]
        if not all(isinstance(size, int) for size in sizes):
            raise UnsupportedModel(
                f"{value.name} has shape {value.shape}: TFLite needs every size; export with a "
                "fixed --batch, and give the image size with --input 1x3x224x224"
            )
        if 0 in sizes:
            raise UnsupportedModel(
                f"{value.name} has shape {value.shape}: an axis of 0 holds nothing to compute; "
                "look for a Slice or Split that leaves nothing"
            )
