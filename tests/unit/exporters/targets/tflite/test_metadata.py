"""What MediaPipe and Android Studio read of a TFLite file beside its graph."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import onnx_ir as ir
from flatbuffers import encode, number_types
from flatbuffers.table import Table

from edgecnn_exporters.targets import About
from edgecnn_exporters.targets.tflite.metadata import IDENTIFIER, describe, with_labels
from edgecnn_runtime.manifest import Preprocess

MODEL = ir.from_onnx_text("""
<ir_version: 8, opset_import: ["" : 18]>
classifier (float[1, 3, 8, 8] image) => (float[1, 3] logits) {
    pooled = GlobalAveragePool(image)
    logits = Flatten<axis = 1>(pooled)
}
""")
IMAGENET = Preprocess(
    "RGB", 9, "bilinear", (8, 6), 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
)


class Reader:
    """A table of a flatbuffer, its fields by their slots in metadata_schema.fbs."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @classmethod
    def root(cls, content: bytes) -> Reader:
        return cls(Table(content, encode.Get(number_types.UOffsetTFlags.packer_type, content, 0)))

    def _at(self, slot: int) -> int:
        found: int = self._table.Offset(4 + 2 * slot)
        assert found, f"no field in slot {slot}"
        return found + self._table.Pos

    def text(self, slot: int) -> str:
        return str(self._table.String(self._at(slot)).decode())

    def number(self, slot: int, flags: Any = number_types.Int8Flags) -> int:
        return int(self._table.Get(flags, self._at(slot)))

    def table(self, slot: int) -> Reader:
        return Reader(Table(self._table.Bytes, self._table.Indirect(self._at(slot))))

    def tables(self, slot: int) -> list[Reader]:
        offset = self._table.Offset(4 + 2 * slot)
        begin, count = self._table.Vector(offset), self._table.VectorLen(offset)
        places = [self._table.Indirect(begin + 4 * i) for i in range(count)]
        return [Reader(Table(self._table.Bytes, place)) for place in places]

    def floats(self, slot: int) -> list[float]:
        offset = self._table.Offset(4 + 2 * slot)
        begin, count = self._table.Vector(offset), self._table.VectorLen(offset)
        flags = number_types.Float32Flags
        return [float(self._table.Get(flags, begin + 4 * i)) for i in range(count)]


def metadata(preprocess: Preprocess | None = IMAGENET, labels: tuple[str, ...] = ()) -> Reader:
    content = describe(MODEL, About("net", preprocess, labels), "float32")
    assert content[4:8] == IDENTIFIER
    return Reader.root(content)


def first_input(found: Reader) -> Reader:
    return found.tables(3)[0].tables(2)[0]


def first_output(found: Reader) -> Reader:
    return found.tables(3)[0].tables(3)[0]


def test_the_network_and_its_tensors_are_named() -> None:
    found = metadata()
    assert found.text(0) == "net"
    assert first_input(found).text(0) == "image"
    assert first_output(found).text(0) == "logits"


def test_the_normalisation_is_in_grey_levels() -> None:
    """A pixel p of 0 … 255 becomes (p / 255 - 0.485) / 0.229 = (p - 123.675) / 58.395."""
    unit = first_input(metadata()).tables(4)[0]
    assert unit.number(0) == 1  # NormalizationOptions
    options = unit.table(1)
    assert [round(value, 3) for value in options.floats(0)] == [123.675, 116.28, 103.53]
    assert [round(value, 3) for value in options.floats(1)] == [58.395, 57.12, 57.375]


def test_the_range_of_the_input_is_that_of_black_and_white() -> None:
    stats = first_input(metadata()).table(5)
    assert round(stats.floats(0)[0], 4) == round((1 - 0.485) / 0.229, 4)
    assert round(stats.floats(1)[0], 4) == round(-0.485 / 0.229, 4)


def test_the_input_is_an_image_of_its_colours_and_size() -> None:
    content = first_input(metadata()).table(3)
    assert content.number(0) == 2  # ImageProperties
    assert content.table(1).number(0) == 1  # RGB
    size = content.table(1).table(1)
    flags = number_types.Uint32Flags
    assert (size.number(0, flags), size.number(1, flags)) == (6, 8)  # width, height


def test_the_labels_are_a_file_behind_the_model_that_the_metadata_name() -> None:
    labels = ("cat", "Hündin", "rocket")
    file = first_output(metadata(labels=labels)).tables(6)[0]
    assert file.number(2) == 2  # TENSOR_AXIS_LABELS
    content = with_labels(b"model" * 100, labels)
    assert content.startswith(b"model" * 100)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read(file.text(0)).decode().splitlines() == list(labels)


def test_without_labels_nothing_is_put_behind_the_model() -> None:
    assert with_labels(b"model", ()) == b"model"


def test_a_network_without_preprocessing_is_named_and_no_more() -> None:
    assert first_input(metadata(preprocess=None)).text(0) == "image"
