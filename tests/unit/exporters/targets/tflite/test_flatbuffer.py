from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.targets.tflite import limits
from edgecnn_exporters.targets.tflite.flatbuffer import Flatbuffer, Quantisation
from edgecnn_exporters.targets.tflite.versions import Signature, version_of

ADD, MUL = schema.BuiltinOperator.ADD, schema.BuiltinOperator.MUL
IMAGE = (1, 2, 2, 3)


def added(file: Flatbuffer, source: int, array: np.ndarray) -> int:
    made = file.tensor("sum", file.shape(source), "float32")
    inputs = [source, file.constant("addend", array)]
    file.operator(ADD, inputs, [made], schema.AddOptionsT())
    return made


def unpacked(content: bytes) -> schema.ModelT:
    return schema.ModelT.InitFromPackedBuf(content, 0)


@pytest.mark.parametrize("sizes", [(1, 3, 5, 17), (2, 16, 31, 33)])
def test_every_buffer_begins_at_a_multiple_of_sixteen(sizes: tuple[int, ...]) -> None:
    file = Flatbuffer()
    first = file.tensor("x", (1,), "float32")
    last = first
    for number in sizes:
        # A name of any length moves what follows it.
        file.constant("n" * number, np.full(number, number, np.int8))
        last = added(file, last, np.array([number], np.float32))
    content = file.finish({"x": first}, {"y": last}, {"note": b"12345"}, "d" * sizes[0])
    model = schema.Model.GetRootAs(content, 0)
    starts = {}
    for index in range(model.BuffersLength()):
        buffer = model.Buffers(index)
        if buffer.DataLength():
            # The address of the vector's first element, read off the bytes themselves.
            starts[index] = content.find(buffer.DataAsNumpy().tobytes())
            table = buffer._tab
            starts[index] = table.Vector(table.Offset(4))
    assert len(starts) == 2 * len(sizes) + 1
    assert all(start % 16 == 0 for start in starts.values())


def test_equal_constants_of_one_meaning_are_held_once() -> None:
    file = Flatbuffer()
    ones = np.ones(4, np.float32)
    meaning = Quantisation((0.5,), (1,))
    first = file.constant("a", ones)
    assert file.constant("b", ones.copy()) == first
    assert file.constant("c", ones.reshape(2, 2)) != first
    assert file.constant("d", ones.astype(np.int8)) != first
    eight = file.constant("e", ones.astype(np.int8), meaning)
    assert file.constant("f", ones.astype(np.int8), meaning) == eight
    assert file.constant("g", ones.astype(np.int8), Quantisation((0.25,), (1,))) != eight


def test_a_name_that_is_taken_gets_a_number() -> None:
    file = Flatbuffer()
    first = file.tensor("x", (1,), "float32")
    second = file.tensor("x", (1,), "float32")
    third = file.tensor("x_1", (1,), "float32")
    file.rename(third, "x")
    last = added(file, second, np.ones(1, np.float32))
    (graph,) = unpacked(file.finish({"x": first}, {"y": last}, {}, "")).subgraphs
    names = [tensor.name.decode() for tensor in graph.tensors]
    assert names[:3] == ["x", "x_1", "x_2"]
    assert len(set(names)) == len(names)


def test_inputs_and_outputs_are_found_by_name_and_metadata_is_carried() -> None:
    file = Flatbuffer()
    source = file.tensor("x", IMAGE, "float32")
    result = added(file, source, np.full(3, 2, np.float32))
    content = file.finish({"image": source}, {"answer": result}, {"note": b"hello"}, "a network")
    model = unpacked(content)
    assert content[4:8] == b"TFL3"
    assert model.description == b"a network"
    (entry,) = model.metadata
    assert entry.name == b"note"
    assert bytes(model.buffers[entry.buffer].data) == b"hello"
    runner = Interpreter(model_content=content, num_threads=1).get_signature_runner()
    (answer,) = runner(image=np.ones(IMAGE, np.float32)).values()
    np.testing.assert_array_equal(answer, np.full(IMAGE, 3))


def test_more_than_a_flatbuffer_holds_is_refused_before_anything_is_built() -> None:
    file = Flatbuffer()
    # Of one page of memory: a view that repeats its row takes no room.
    row = np.ones((1, 1 << 20), np.int8)
    large = np.broadcast_to(row, (2048, 1 << 20))
    assert large.nbytes == 2**31
    with pytest.raises(UnsupportedModel, match=r"^w: with it the constants pass 2.1 GB, .* int8"):
        file.constant("w", large)


def test_many_constants_are_refused_as_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LARGEST", 100)
    file = Flatbuffer()
    file.constant("a", np.zeros(80, np.int8))
    # Held once, counted once.
    file.constant("b", np.zeros(80, np.int8))
    with pytest.raises(UnsupportedModel, match=r"^c: with it"):
        file.constant("c", np.ones(80, np.int8))


CONV, DEPTHWISE = schema.Conv2DOptionsT, schema.DepthwiseConv2DOptionsT
FOUR = (1, 4, 4, 2)


@pytest.mark.parametrize(
    ("name", "inputs", "shapes", "options", "version"),
    [
        ("CONV_2D", ("float32", "float32", "float32"), (FOUR, (3, 1, 1, 2), (3,)), CONV(), 1),
        ("CONV_2D", ("int8", "int8", "int32"), (FOUR, (3, 1, 1, 2), (3,)), CONV(), 3),
        ("CONV_2D", ("float32", "float32", "float32"), (FOUR, (4, 1, 1, 1), (4,)), CONV(), 6),
        ("DEPTHWISE_CONV_2D", ("float32",) * 3, (FOUR, (1, 3, 3, 2), (2,)), DEPTHWISE(), 1),
        ("DEPTHWISE_CONV_2D", ("int8", "int8", "int32"), (FOUR,) * 3, DEPTHWISE(), 3),
        ("ADD", ("float32", "float32"), (FOUR, FOUR), None, 1),
        ("ADD", ("int8", "int8"), (FOUR, FOUR), None, 2),
        ("DEQUANTIZE", ("float16",), (FOUR,), None, 3),
        ("TRANSPOSE", ("float32", "int32"), ((1, 2, 3, 4, 5), (5,)), None, 4),
        ("LEAKY_RELU", ("int8",), (FOUR,), None, 1),
        ("SPLIT", ("int32", "int8"), ((), FOUR), None, 2),
        ("SPLIT_V", ("int8", "int32", "int32"), (FOUR, (2,), ()), None, 2),
    ],
)
def test_the_version_is_the_oldest_that_computes_it(
    name: str,
    inputs: tuple[str, ...],
    shapes: tuple[tuple[int, ...], ...],
    options: object,
    version: int,
) -> None:
    if options is not None:
        options.dilationHFactor = options.dilationWFactor = 1  # type: ignore[attr-defined]
    output = "float32" if inputs[0].startswith("float") else "int8"
    assert version_of(name, Signature(inputs, shapes, output, options)) == version
