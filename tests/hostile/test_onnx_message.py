"""ONNX messages made to be read in two ways: what no serialiser writes is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import INPUT, contents, onnx_model
from google.protobuf.descriptor import FieldDescriptor
from hostile import wire
from hostile.wire import field, varint

import edgecnn_runtime as edge
from edgecnn_runtime.bundle.limits import onnx_schema
from edgecnn_runtime.bundle.limits.onnx_graph import read_onnx
from edgecnn_runtime.bundle.limits.protobuf import FieldType
from edgecnn_runtime.bundle.write import npy, write_bundle
from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.errors import BundleUnreadable, EngineError, ExternalData

SECRET = b"the secret of the working folder"
DATA = wire.tensor("secret.txt", len(SECRET))


def with_initializer(written: bytes) -> bytes:
    """The model that reads ``secret``, with the initialiser's field as it is written."""
    model = wire.reader_of_secret(len(SECRET))
    graph = model.graph.SerializeToString() + written
    model.ClearField("graph")
    return model.SerializeToString() + field(7, graph)


def without_external_data(written: bytes) -> bytes:
    """A model whose initialiser ends with these bytes."""
    head = b"\x08\x01\x10\x01" + field(8, b"secret") + field(9, bytes(4))
    return with_initializer(field(5, head + written))


def with_attribute(*attributes: onnx.AttributeProto) -> bytes:
    """A model with a Constant of these attributes."""
    node = onnx.NodeProto(op_type="Constant", output=["trips"], attribute=attributes)
    return wire.model_of([node]).SerializeToString()


AMBIGUOUS: dict[str, Callable[[], bytes]] = {
    "a key whose 33rd bit C++ drops": lambda: with_initializer(field(5, DATA, beyond_32_bits=1)),
    "a key with padding": lambda: with_initializer(field(5, DATA, padding=2)),
    "a length with padding": lambda: with_initializer(b"\x2a" + varint(len(DATA), 1) + DATA),
    "a graph that is merged with another": lambda: (
        onnx_model() + field(7, field(5, b"\x08\x01")) + field(7, b"")
    ),
    "a location in ten bytes that C++ cuts to 1": lambda: without_external_data(
        b"\x70" + varint(1 << 70 | 1)
    ),
    "a location that is given twice": lambda: without_external_data(b"\x70\x00\x70\x00"),
    "a location as a fixed number": lambda: without_external_data(b"\x75\x01\x00\x00\x00"),
    "external data as a number": lambda: without_external_data(b"\x68\x01"),
    "external data within a group": lambda: without_external_data(
        b"\x6b" + field(1, b"location") + b"\x6c"
    ),
    "a group that nothing ends": lambda: onnx_model() + b"\x0b",
    "a field that is not in the schema": lambda: without_external_data(field(500, b"")),
    "a field of number 0": lambda: onnx_model() + field(0, b""),
    "a field that goes beyond its message": lambda: onnx_model() + b"\x3a\x7f",
    "a number that goes beyond its message": lambda: onnx_model() + b"\x08\xff",
    "more bits than a number has": lambda: onnx_model()[2:] + b"\x08" + b"\xff" * 9 + b"\x02",
    "a name that is no text": lambda: with_initializer(
        field(5, wire.integers("axes", 7).SerializeToString().replace(b"axes", b"axe\xff"))
    ),
    "an attribute of two values": lambda: with_attribute(
        onnx.AttributeProto(name="value", i=1, t=wire.integers("trips", 1 << 62))
    ),
    "two attributes of a name": lambda: with_attribute(
        onnx.AttributeProto(name="value_int", i=1), onnx.AttributeProto(name="value_int", i=1 << 62)
    ),
    "a constant that is defined twice": lambda: with_initializer(
        field(5, wire.integers("axis", 7).SerializeToString())
    ),
}


@pytest.mark.parametrize("form", AMBIGUOUS)
def test_what_no_serialiser_writes_is_refused(tmp_path: Path, form: str) -> None:
    path = tmp_path / "x.edge"
    write_bundle(path, *contents("onnx", AMBIGUOUS[form]()))
    with pytest.raises(BundleUnreadable, match=r"model\.onnx is not an ONNX model"):
        edge.open(path)


def hidden_in(place: str) -> bytes:
    """A sound model, and a tensor with external data somewhere that is not its initialisers."""
    model = onnx.load_from_string(onnx_model())
    secret = onnx.TensorProto.FromString(DATA)
    sparse = onnx.SparseTensorProto(values=secret)
    body = onnx.GraphProto(initializer=[secret])
    attributes = {
        "attribute": onnx.AttributeProto(name="a", t=secret),
        "list": onnx.AttributeProto(name="a", tensors=[secret]),
        "sparse attribute": onnx.AttributeProto(name="a", sparse_tensor=sparse),
        "subgraph": onnx.AttributeProto(name="a", g=body),
        "list of subgraphs": onnx.AttributeProto(name="a", graphs=[onnx.GraphProto(), body]),
    }
    node = onnx.NodeProto(op_type="Identity", input=["input"], output=["x"])
    if place in attributes:
        model.graph.node.append(node)
        model.graph.node[-1].attribute.append(attributes[place])
    elif place == "sparse initialiser":
        model.graph.sparse_initializer.append(sparse)
    elif place == "training":
        model.training_info.append(onnx.TrainingInfoProto(algorithm=body))
    elif place == "function":
        node.attribute.append(attributes["attribute"])
        model.functions.append(onnx.FunctionProto(name="f", domain="x", node=[node]))
    elif place == "default of a function":
        default = [attributes["attribute"]]
        model.functions.append(onnx.FunctionProto(name="f", domain="x", attribute_proto=default))
    return model.SerializeToString()


@pytest.mark.parametrize(
    "place",
    [
        *("attribute", "list", "sparse attribute", "subgraph", "list of subgraphs"),
        *("sparse initialiser", "training", "function", "default of a function"),
    ],
)
def test_external_data_is_refused_wherever_it_is(place: str) -> None:
    with pytest.raises(ExternalData, match="outside the bundle"):
        read_onnx(hidden_in(place))


@pytest.mark.parametrize("location", [1, 2, 1 << 32 | 1, (1 << 64) - 1])
def test_any_location_but_the_message_is_refused(location: int) -> None:
    with pytest.raises(ExternalData):
        read_onnx(without_external_data(b"\x70" + varint(location)))


def test_a_message_of_countless_fields_is_refused_soon() -> None:
    with pytest.raises(ValueError, match="more than 1,000,000 fields"):
        read_onnx(field(14, b"") * 1_100_000)


def test_numbers_names_and_shapes_without_end_are_refused_soon() -> None:
    packed = field(8, b"\x01" * 1_100_000)
    with pytest.raises(ValueError, match="more than 1,000,000 fields"):
        read_onnx(field(7, field(1, field(5, packed))))
    with pytest.raises(ValueError, match="more than 64 axes"):
        read_onnx(without_external_data(field(1, (b"\xff" * 8 + b"\x7f") * 70_000)))
    with pytest.raises(ValueError, match="a name of more than 65,536 bytes"):
        read_onnx(field(7, field(1, field(1, bytes(70_000)))))


def test_graphs_nested_without_end_are_refused() -> None:
    graph = b""
    for _ in range(200):
        graph = field(1, field(5, field(6, graph)))
    with pytest.raises(ValueError, match="nested deeper"):
        read_onnx(field(7, graph))


KINDS = {
    FieldDescriptor.TYPE_FLOAT: 5,
    FieldDescriptor.TYPE_DOUBLE: 1,
    FieldDescriptor.TYPE_STRING: 2,
    FieldDescriptor.TYPE_BYTES: 2,
    FieldDescriptor.TYPE_MESSAGE: 2,
}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (onnx_schema.MODEL, onnx.ModelProto),
        (onnx_schema.TRAINING, onnx.TrainingInfoProto),
        (onnx_schema.FUNCTION, onnx.FunctionProto),
        (onnx_schema.GRAPH, onnx.GraphProto),
        (onnx_schema.NODE, onnx.NodeProto),
        (onnx_schema.ATTRIBUTE, onnx.AttributeProto),
        (onnx_schema.VALUE_INFO, onnx.ValueInfoProto),
        (onnx_schema.SPARSE_TENSOR, onnx.SparseTensorProto),
        (onnx_schema.TENSOR, onnx.TensorProto),
    ],
)
def test_the_fields_are_those_of_the_onnx_package(
    table: dict[int, FieldType], message: type[onnx.ModelProto]
) -> None:
    """A field that a later ONNX adds shows here, before an engine reads what nobody checked."""
    assert table == {
        one.number: FieldType(KINDS.get(one.type, 0), one.is_repeated)
        for one in message.DESCRIPTOR.fields
    }


def test_the_engine_reads_no_file_though_nobody_has_checked_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.txt").write_bytes(SECRET)
    for written in (field(5, DATA), field(5, DATA, beyond_32_bits=1)):
        with pytest.raises(EngineError, match=r"null.none.secret\.txt"):
            OnnxRuntimeEngine.open(with_initializer(written))


def test_onnx_runtimes_own_format_is_refused(tmp_path: Path) -> None:
    """ONNX Runtime knows it by its bytes; nothing in it is checked, its external data neither."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "model.ort")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    onnxruntime.InferenceSession(onnx_model(), options, providers=["CPUExecutionProvider"])
    content = (tmp_path / "model.ort").read_bytes()
    assert onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    with pytest.raises(EngineError, match="protobuf parsing failed"):
        OnnxRuntimeEngine.open(content)
    write_bundle(tmp_path / "x.edge", *contents("onnx", content))
    with pytest.raises(BundleUnreadable, match="ONNX Runtime's own format"):
        edge.open(tmp_path / "x.edge")


def test_a_file_of_this_machine_never_becomes_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole attack: a bundle whose logits are the bytes of a file of whoever opens it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.txt").write_bytes(SECRET[:3])
    model = wire.reader_of_secret(3)
    graph = model.graph.SerializeToString()
    graph += field(5, wire.tensor("secret.txt", 3), beyond_32_bits=1)
    model.ClearField("graph")
    content = model.SerializeToString() + field(7, graph)
    answer = npy(np.frombuffer(SECRET[:3], np.uint8).astype(np.float32)[None])
    manifest, files = contents("onnx", content)
    write_bundle(tmp_path / "x.edge", manifest, files | {"golden/0.output0.npy": answer})
    with pytest.raises(BundleUnreadable), edge.open(tmp_path / "x.edge") as session:
        pytest.fail(str(session.run({"input": np.zeros((1, *INPUT.shape[1:]), np.float32)})))
