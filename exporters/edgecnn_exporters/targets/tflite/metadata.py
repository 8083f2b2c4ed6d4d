"""TFLite model metadata: image size and colours, normalisation, labels.

MediaPipe's tasks and Android Studio look for a buffer named TFLITE_METADATA, a flatbuffer of its
own (tflite-support, metadata_schema.fbs), and for the files that it names in a zip archive behind
the model's last byte. No Python package has that schema's classes alone; the few tables that an
image classifier needs are written here by their slots.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import onnx_ir as ir

from edgecnn_exporters.targets import About
from edgecnn_exporters.targets.tflite import Io
from edgecnn_runtime.manifest import Preprocess

METADATA = "TFLITE_METADATA"
IDENTIFIER = b"M001"
LABELS = "labels.txt"
# The oldest parser that knows every field used here: tensor, content, process units, files.
MIN_PARSER = "1.0.0"
EPOCH = (1980, 1, 1, 0, 0, 0)

# Members of the schema's unions and enumerations.
_IMAGE_PROPERTIES, _FEATURE_PROPERTIES = 2, 1
_NORMALIZATION_OPTIONS = 1
_RGB, _GRAYSCALE, _UNKNOWN = 1, 2, 0
_TENSOR_AXIS_LABELS = 2

Field = Callable[[Any], None]


def describe(model: ir.Model, about: About, kind: Io) -> bytes:
    """The metadata of an image model, as a flatbuffer ``ModelMetadata``."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    inputs = [_input(builder, str(each.name), about.preprocess) for each in model.graph.inputs]
    outputs = [_output(builder, str(each.name), about) for each in model.graph.outputs]
    subgraph = _table(
        builder,
        7,
        _offset(2, _vector(builder, inputs)),
        _offset(3, _vector(builder, outputs)),
    )
    name, version = builder.CreateString(about.name), builder.CreateString(MIN_PARSER)
    described = builder.CreateString(f"{about.name}, {kind} in and out, written by edgecnn")
    root = _table(
        builder,
        8,
        _offset(0, name),
        _offset(1, described),
        _offset(3, _vector(builder, [subgraph])),
        _offset(7, version),
    )
    builder.Finish(root, IDENTIFIER)
    return bytes(builder.Output())


def with_labels(content: bytes, labels: Sequence[str]) -> bytes:
    """The model with its labels in a zip archive appended, one a line in class order."""
    if not labels:
        return content
    stream = io.BytesIO(content)
    member = zipfile.ZipInfo(LABELS, EPOCH)
    member.create_system = 3  # Unix, wherever it is written
    with zipfile.ZipFile(stream, "a") as files:
        files.writestr(member, "".join(f"{label}\n" for label in labels))
    return stream.getvalue()


def _input(builder: Any, name: str, preprocess: Preprocess | None) -> int:
    """TensorMetadata of an image: its colours and size, and ``(pixel - mean) / std``."""
    label = builder.CreateString(name)
    if preprocess is None:
        return _table(builder, 7, _offset(0, label))
    colour = {"RGB": _RGB, "L": _GRAYSCALE}.get(preprocess.colour, _UNKNOWN)
    size = preprocess.crop or preprocess.resize
    parts: list[Field] = [_number(0, colour)]
    if isinstance(size, tuple):
        height, width = size
        # Of the table ImageSize, the width comes first.
        parts.append(_offset(1, _table(builder, 2, _unsigned(0, width), _unsigned(1, height))))
    content = _content(builder, _IMAGE_PROPERTIES, _table(builder, 2, *parts))
    # Pixels here are 0 … 255 throughout; a bundle scales them first.
    mean = _floats(builder, [each / preprocess.scale for each in preprocess.mean])
    std = _floats(builder, [each / preprocess.scale for each in preprocess.std])
    options = _table(builder, 2, _offset(0, mean), _offset(1, std))
    unit = _table(builder, 2, _number(0, _NORMALIZATION_OPTIONS), _offset(1, options))
    low, high = _range(preprocess)
    stats = _table(
        builder, 2, _offset(0, _floats(builder, high)), _offset(1, _floats(builder, low))
    )
    units = _vector(builder, [unit])
    return _table(
        builder, 7, _offset(0, label), _offset(3, content), _offset(4, units), _offset(5, stats)
    )


def _output(builder: Any, name: str, about: About) -> int:
    """TensorMetadata of an output; of a classifier, with the file that names its classes."""
    label = builder.CreateString(name)
    content = _content(builder, _FEATURE_PROPERTIES, _table(builder, 0))
    fields = [_offset(0, label), _offset(3, content)]
    if about.labels:
        file_name = builder.CreateString(LABELS)
        description = builder.CreateString("names of the classes, one a line")
        file = _table(
            builder,
            5,
            _offset(0, file_name),
            _offset(1, description),
            _number(2, _TENSOR_AXIS_LABELS),
        )
        fields.append(_offset(6, _vector(builder, [file])))
    return _table(builder, 7, *fields)


def _content(builder: Any, kind: int, properties: int) -> int:
    return _table(builder, 3, _number(0, kind), _offset(1, properties))


def _range(preprocess: Preprocess) -> tuple[list[float], list[float]]:
    """Least and greatest of each channel, after the normalisation."""
    pairs = list(zip(preprocess.mean, preprocess.std, strict=True))
    ends = [[(p * preprocess.scale - mean) / std for p in (0, 255)] for mean, std in pairs]
    return [min(each) for each in ends], [max(each) for each in ends]


def _table(builder: Any, slots: int, *fields: Field) -> int:
    builder.StartObject(slots)
    for field in fields:
        field(builder)
    return int(builder.EndObject())


def _offset(slot: int, where: int) -> Field:
    return lambda builder: builder.PrependUOffsetTRelativeSlot(slot, where, 0)


def _number(slot: int, value: int) -> Field:
    return lambda builder: builder.PrependInt8Slot(slot, value, 0)


def _unsigned(slot: int, value: int) -> Field:
    return lambda builder: builder.PrependUint32Slot(slot, value, 0)


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for each in reversed(offsets):
        builder.PrependUOffsetTRelative(each)
    return int(builder.EndVector())


def _floats(builder: Any, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for each in reversed(values):
        builder.PrependFloat32(each)
    return int(builder.EndVector())
