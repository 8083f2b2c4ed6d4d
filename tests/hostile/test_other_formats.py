"""TFLite and OpenVINO artefacts that loop, or refer to code and data outside the bundle."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from conftest import contents, openvino_model, tflite_model

import edgecnn_runtime as edge
from edgecnn.bundles.tflite_file import describe_tflite
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle.limits.openvino import refuse_unsafe_openvino
from edgecnn_runtime.bundle.limits.tflite import refuse_unsafe_tflite
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import BundleError, BundleUnreadable, ExternalData, OverBudget

Edit = Callable[[Any], object]


def edited(edit: Edit) -> bytes:
    """The sound TFLite model, changed."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite_model()))
    edit(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def operator(number: int, deprecated: int = 0, custom: bytes | None = None) -> Edit:
    code = schema.OperatorCodeT(builtinCode=number, deprecatedBuiltinCode=deprecated)
    code.customCode = custom
    return lambda model: model.operatorCodes.append(code)


def in_another_file(model: Any) -> None:
    model.externalBufferGroups = [schema.ExternalBufferGroupT(name=b"/etc/passwd")]


def buffer_of_another_file(model: Any) -> None:
    model.externalBuffers = [schema.ExternalBufferT(length=64)]


def behind_the_file(model: Any) -> None:
    model.buffers.append(schema.BufferT(offset=1 << 20, size=1 << 40))


def huge_tensor(model: Any) -> None:
    model.subgraphs[0].tensors.append(schema.TensorT(shape=[1 << 15, 1 << 15], name=b"huge"))


@pytest.mark.parametrize(
    ("edit", "error", "says"),
    [
        (operator(119), OverBudget, "the operator WHILE, which repeats"),
        (operator(200), OverBudget, "the operator STABLEHLO_WHILE"),
        (operator(118), OverBudget, "the operator IF"),
        (operator(129), OverBudget, "the operator CALL_ONCE"),
        (operator(0, deprecated=119), OverBudget, "the operator WHILE"),
        (operator(32), ExternalData, "the operator CUSTOM, whose code is outside"),
        (operator(32, custom=b"FlexReadFile"), ExternalData, "CUSTOM"),
        (operator(0, custom=b"FlexReadFile"), ExternalData, "a custom operator"),
        (operator(51), ExternalData, "DELEGATE"),
        (operator(173), ExternalData, "STABLEHLO_CUSTOM_CALL"),
        (huge_tensor, OverBudget, "a tensor of 1,073,741,824 numbers"),
        (in_another_file, ExternalData, "buffers in other files"),
        (buffer_of_another_file, ExternalData, "buffers in other files"),
        (behind_the_file, ExternalData, "ends behind the file"),
    ],
)
def test_a_tflite_model_that_needs_what_is_not_in_it_is_refused(
    edit: Edit, error: type[BundleError], says: str
) -> None:
    with pytest.raises(error, match=says):
        refuse_unsafe_tflite(edited(edit), "model.tflite", Budget())


def vector(builder: Any, offset: int, times: int) -> int:
    """A vector of tables that are all the same one."""
    builder.StartVector(4, times, 4)
    for _ in range(times):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def shared(graphs: int = 1, tensors: int = 1, ends: int = 1, name: str = "x") -> bytes:
    """A small TFLite file whose offsets lead to one graph, one tensor and one name many times."""
    builder = flatbuffers.Builder(1 << 20)
    text, key = builder.CreateString(name), builder.CreateString("serving_default")
    shape = builder.CreateNumpyVector(np.array([1, 4], np.int32))
    schema.TensorStart(builder)
    schema.TensorAddShape(builder, shape)
    schema.TensorAddName(builder, text)
    listed = vector(builder, schema.TensorEnd(builder), tensors)
    outputs = builder.CreateNumpyVector(np.zeros(ends, np.int32))
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, listed)
    schema.SubGraphAddInputs(builder, outputs)
    schema.SubGraphAddOutputs(builder, outputs)
    subgraphs = vector(builder, schema.SubGraphEnd(builder), graphs)
    schema.BufferStart(builder)
    buffers = vector(builder, schema.BufferEnd(builder), 1)
    schema.SignatureDefStart(builder)
    schema.SignatureDefAddSignatureKey(builder, text if ends == 1 else key)
    signatures = vector(builder, schema.SignatureDefEnd(builder), graphs)
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddSubgraphs(builder, subgraphs)
    schema.ModelAddBuffers(builder, buffers)
    schema.ModelAddSignatureDefs(builder, signatures)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    return bytes(builder.Output())


def test_a_tflite_model_whose_graphs_share_a_million_tables_is_refused_at_once() -> None:
    with pytest.raises(BundleUnreadable, match="more than 1,000,000 tables"):
        refuse_unsafe_tflite(shared(graphs=50, tensors=50_000), "model.tflite", Budget())


@pytest.mark.parametrize("places", [{"ends": 1000}, {"graphs": 1000}])
def test_a_tflite_model_with_gigabytes_of_names_in_a_small_file_is_refused(
    places: dict[str, int],
) -> None:
    model = shared(**places, name="n" * 60_000)
    assert len(model) < 100_000
    refuse_unsafe_tflite(model, "model.tflite", Budget())
    with pytest.raises(BundleUnreadable, match="texts of more than 16,777,216 bytes"):
        describe_tflite(model, "model.tflite")


def test_names_that_are_shared_a_few_times_are_read() -> None:
    shown = describe_tflite(shared(ends=3), "model.tflite")
    assert [spec.name for spec in shown.outputs] == ["x", "x", "x"]


@pytest.mark.parametrize("step", range(1, 8))
def test_a_tflite_model_with_wrong_offsets_is_refused_or_read_but_never_fails(step: int) -> None:
    content = tflite_model()
    for position in range(0, len(content) - 4, 4 * step):
        for value in (0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, len(content) - 1):
            bent = content[:position] + struct.pack("<I", value) + content[position + 4 :]
            try:
                refuse_unsafe_tflite(bent, "model.tflite", Budget())
            except BundleError:
                continue


def ir(layer: str = "", head: str = '<?xml version="1.0"?>') -> bytes:
    return f'{head}<net name="x" version="11"><layers>{layer}</layers></net>'.encode()


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
CONST = '<layer id="0" type="Const" version="opset1"><data offset="{}" size="{}"/></layer>'


@pytest.mark.parametrize(
    ("model", "error", "says"),
    [
        (
            ir(head=f'<?xml version="1.0"?><!DOCTYPE net [<!ENTITY l0 "ha">{LAUGHS}]>'),
            ExternalData,
            "a document type",
        ),
        (
            ir(
                "&x;",
                head='<?xml version="1.0"?><!DOCTYPE net [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
            ),
            ExternalData,
            "a document type",
        ),
        (
            ir('<xi:include href="/etc/passwd" xmlns:xi="http://www.w3.org/2001/XInclude"/>'),
            ExternalData,
            "the element xi:include",
        ),
        (ir('<layer type="Mine" version="extension"/>'), ExternalData, "a layer Mine of 'exten"),
        (ir('<layer type="Loop" version="opset5"/>'), OverBudget, "the layer Loop, which repeats"),
        (ir('<layer type="TensorIterator" version="opset1"/>'), OverBudget, "TensorIterator"),
        (ir(CONST.format(8, 3)), ExternalData, "3 bytes at 8; its weights file has 10"),
        (ir(CONST.format(-8, 3)), ExternalData, "at -8"),
        (ir(CONST.format(0, 1 << 70)), ExternalData, "its weights file has 10"),
        (ir(CONST.format("x", 1)), BundleUnreadable, "not an OpenVINO IR"),
        (ir("<a>" * 100 + "</a>" * 100), OverBudget, "nested deeper than 64"),
        (b"<?xml", BundleUnreadable, "not an OpenVINO IR"),
        (ir().decode().encode("utf-16"), BundleUnreadable, "not an OpenVINO IR"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_an_ir_that_needs_what_is_not_in_it_is_refused(
    model: bytes, error: type[BundleError], says: str
) -> None:
    with pytest.raises(error, match=says):
        refuse_unsafe_openvino(model, bytes(10), "model.xml")


def test_an_ir_of_countless_elements_is_refused() -> None:
    with pytest.raises(OverBudget, match="more than 1,000,000 elements"):
        refuse_unsafe_openvino(ir("<a/>" * 1_000_001), None, "model.xml")


def test_sound_models_are_left_alone() -> None:
    refuse_unsafe_tflite(tflite_model(), "model.tflite", Budget())
    content = openvino_model()
    refuse_unsafe_openvino(content.model, content.weights, "model.xml")
    refuse_unsafe_openvino(ir(CONST.format(8, 2)), bytes(10), "model.xml")


@pytest.mark.parametrize("format", ["tflite", "openvino"])
def test_it_is_refused_before_an_engine_opens_it(tmp_path: Path, format: str) -> None:
    model = edited(operator(119)) if format == "tflite" else ir('<layer type="Loop"/>')
    weights = b"weights" if format == "openvino" else None
    write_bundle(tmp_path / "x.edge", *contents(format, model, weights))
    with pytest.raises(OverBudget, match="an unknown number of times"):
        edge.open(tmp_path / "x.edge")
