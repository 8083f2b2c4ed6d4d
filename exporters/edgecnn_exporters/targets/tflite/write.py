"""The writer of TFLite files: a canonical graph, or its QDQ copy, to a flatbuffer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import onnx_ir as ir

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.passes.graph import is_operator
from edgecnn_exporters.quantise.graph.integer_results import with_integer_results
from edgecnn_exporters.quantise.graph.output_encodings import noted_float
from edgecnn_exporters.targets import Precision
from edgecnn_exporters.targets.tflite import Io
from edgecnn_exporters.targets.tflite.boundary import feed, result, separate
from edgecnn_exporters.targets.tflite.limits import check_size
from edgecnn_exporters.targets.tflite.lowering import Lowering
from edgecnn_exporters.targets.tflite.nodes import shape_of
from edgecnn_exporters.targets.tflite.operators.table import OPERATORS, lower
from edgecnn_exporters.targets.tflite.source import TFLiteSource, read_source
from edgecnn_exporters.targets.tflite.views import Axes
from edgecnn_runtime.encoding import Encoding

# Operators named in one message; the others are counted.
NAMED = 3


@dataclass(frozen=True)
class TfliteOptions:
    """Options of a TFLite file.

    Attributes:
        precision: fp16 stores weights in 16 bits; int8 wants the QDQ graph.
        io: element type of the inputs and outputs of an int8 file. With
            float32 the results are those of the QDQ graph; int8 and uint8 leave no float operator.
        batch: fixed, as TFLite's kernels and compilers need it.
    """

    precision: Precision = "fp32"
    io: Io = "float32"
    batch: int = 1
    description: str = ""
    metadata: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class TfliteModel:
    """A TFLite file with a summary of its contents.

    Attributes:
        layout: NHWC where images are stored channels last; None where the graph has no image,
            or has them so itself.
        encodings: scale and zero point of inputs and outputs that are integers, by name.
        operators: count of each operator.
    """

    content: bytes
    layout: Literal["NHWC"] | None
    encodings: Mapping[str, tuple[float, int]]
    operators: Mapping[str, int]

    @property
    def transposes(self) -> int:
        """The number of TRANSPOSE operators, which the layout is there to avoid."""
        return self.operators.get("TRANSPOSE", 0)


def write_tflite(model: ir.Model, options: TfliteOptions | None = None) -> TfliteModel:
    """The model, canonical (or its QDQ copy), as a TFLite file; it stays as it is.

    Raises:
        UnsupportedModel: an operator without a translation, a size that is not known, or more
            constants than a flatbuffer holds.
    """
    options = options or TfliteOptions()
    _check_operators(model.graph)
    check_size(_sizes(model.graph, options.precision))
    is_integer = options.precision == "int8" and options.io != "float32"
    if is_integer:
        model = with_integer_results(model)
    source = read_source(model, options.batch)
    if is_integer:
        _check_results(source, options.io)
    graph = source.graph
    is_image_last = _has_images_first(graph)
    low = Lowering(source, "float16" if options.precision == "fp16" else "float32")
    dtype = options.io if is_integer else "float32"
    inputs = {
        str(value.name): feed(
            low,
            value,
            _order(value, channels_last=is_image_last),
            source.encodings.get(str(value.name)) if is_integer else None,
            dtype,
        )
        for value in graph.inputs
    }
    for node in graph:
        if str(node.name) not in low.done and not is_operator(node, "Constant"):
            lower(low, node)
    outputs = {
        str(value.name): result(low, value, _order(value, channels_last=is_image_last), dtype)
        for value in graph.outputs
    }
    outputs = separate(low, inputs.values(), outputs)
    content = low.file.finish(inputs, outputs, options.metadata, options.description)
    has_images = any(len(shape_of(v)) == 4 for v in (*graph.inputs, *graph.outputs))
    return TfliteModel(
        content=content,
        layout="NHWC" if is_image_last and has_images else None,
        encodings=_encodings(source, dtype, [*inputs, *outputs]),
        operators=Counter(low.file.operators),
    )


def _check_results(source: TFLiteSource, io: Io) -> None:
    for value in source.graph.outputs:
        reason = noted_float(value)
        if reason is None and str(value.name) in source.encodings:
            continue
        because = f": {reason}" if reason else ""
        raise UnsupportedModel(
            f"output {value.name} stays float, and a file whose outputs are {io} needs an 8-bit "
            f"encoding for each; say --tflite-io float32, or let the network return what lies in "
            f"unlike ranges as outputs of their own{because}"
        )


def _sizes(graph: ir.Graph, precision: Precision) -> dict[str, int]:
    """Bytes of each initialiser as it will be stored."""
    half = precision == "fp16"
    return {
        name: value.const_value.nbytes // (2 if half and value.dtype == ir.DataType.FLOAT else 1)
        for name, value in graph.initializers.items()
        if value.const_value is not None
    }


def _check_operators(graph: ir.Graph) -> None:
    """Refuse operators without a translation, all of them in one error."""
    # Sizes, and what is counted up to them, are constants once the batch is fixed.
    sizes = {"Shape", "Size", "ConstantOfShape", "Range"}
    own = {"QuantizeLinear", "DequantizeLinear", "Constant", *sizes}
    missing = [
        f"{node.name} ({node.domain}{'.' if node.domain else ''}{node.op_type})"
        for node in graph
        if not is_operator(node, *OPERATORS, *own)
    ]
    if missing:
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise UnsupportedModel(
            f"no TFLite operator computes {', '.join(missing[:NAMED])}{more}; replace them in the "
            "network by operators that are in docs/tflite.md, or leave the target tflite out"
        )


def _has_images_first(graph: ir.Graph) -> bool:
    """Whether image inputs are channels first, as in ONNX, and not transposed by the graph."""
    images = [value for value in graph.inputs if len(shape_of(value)) == 4]
    return not images or not all(_is_turned(value) for value in images)


def _is_turned(value: ir.Value) -> bool:
    readers: Iterable[ir.Node] = [use.node for use in value.uses()]
    turns = [
        is_operator(node, "Transpose")
        and tuple(node.attributes.get_ints("perm", [])) == (0, 3, 1, 2)
        for node in readers
    ]
    return bool(turns) and all(turns)


def _order(value: ir.Value, *, channels_last: bool) -> Axes:
    rank = len(shape_of(value))
    return (0, 2, 3, 1) if rank == 4 and channels_last else tuple(range(rank))


def _encodings(source: TFLiteSource, dtype: str, names: list[str]) -> dict[str, tuple[float, int]]:
    if dtype == "float32":
        return {}
    offset = 128 if dtype == "int8" else 0
    encodings: dict[str, Encoding] = {n: e for n, e in source.encodings.items() if n in names}
    return {name: (each.scale, each.zero_point - offset) for name, each in encodings.items()}
