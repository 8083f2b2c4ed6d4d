from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import pytest
from learning_bundles import BIAS, CHANNELS, float_model, int8_model, pictures, weights

from edgecnn_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edgecnn_runtime.learn.onnx_weights import read_weights, replace_weights

LENET5 = Path(__file__).parents[3] / "data/bundles/lenet5.edge"


def tensors_of(model: bytes) -> dict[str, np.ndarray]:
    graph = onnx.load_from_string(model).graph
    return {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}


def checked(model: bytes) -> onnx.ModelProto:
    proto = onnx.load_from_string(model)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def test_a_weight_is_replaced_and_nothing_else() -> None:
    before = float_model(weights())
    bias = np.array([1, -2, 3], np.float32)
    after = replace_weights(before, {"head.bias": bias})
    expected = onnx.load_from_string(before)
    (place,) = (i for i, t in enumerate(expected.graph.initializer) if t.name == "head.bias")
    expected.graph.initializer[place].raw_data = bias.tobytes()
    assert checked(after) == expected


def test_the_same_weights_give_the_same_bytes() -> None:
    before = float_model(weights())
    assert replace_weights(before, tensors_of(before)) == before


def test_the_engine_answers_with_the_new_weights() -> None:
    old, new = weights(0), weights(7)
    images, _ = pictures(3)
    answers = [
        OnnxRuntimeEngine.open(model).run({"input": images})["logits"]
        for model in (replace_weights(float_model(old), new), float_model(new))
    ]
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize("field", ["float_data", "int32_data", "int64_data"])
def test_numbers_in_fields_of_their_own_become_raw(field: str) -> None:
    dtype, array = {
        "float_data": (onnx.TensorProto.FLOAT, np.arange(3, dtype=np.float32)),
        "int32_data": (onnx.TensorProto.INT8, np.arange(-7, -4, dtype=np.int8)),
        "int64_data": (onnx.TensorProto.INT64, np.arange(3)),
    }[field]
    model = onnx.load_from_string(float_model(weights()))
    listed = onnx.helper.make_tensor("x", dtype, [3], array + array.dtype.type(5))
    listed.doc_string = "kept"
    assert len(getattr(listed, field)) == 3
    model.graph.initializer.append(listed)
    read = read_weights(model.SerializeToString(), ["x", "head.bias"])
    np.testing.assert_array_equal(read["x"], array + 5)
    assert read["x"].dtype == array.dtype
    np.testing.assert_array_equal(read["head.bias"], weights()["head.bias"])
    proto = checked(replace_weights(model.SerializeToString(), {"x": array}))
    tensor = proto.graph.initializer[-1]
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(tensor), array)
    assert (tensor.doc_string, len(getattr(tensor, field))) == ("kept", 0)


def test_other_classes_change_the_output_and_stale_notes_go() -> None:
    model = onnx.load_from_string(float_model(weights()))
    model.graph.output[0].metadata_props.add(key="edgecnn.scale", value="0.5")
    model.graph.output[0].metadata_props.add(key="other", value="kept")
    model.metadata_props.add(key="author", value="kept")
    new = {
        "head.weight": np.ones((5, CHANNELS), np.float32),
        "head.bias": np.arange(5, dtype=np.float32),
    }
    proto = checked(replace_weights(model.SerializeToString(), new, {"logits": 5}))
    batch, classes = proto.graph.output[0].type.tensor_type.shape.dim
    assert (batch.dim_param, classes.dim_value) == ("N", 5)
    assert [each.key for each in proto.graph.output[0].metadata_props] == ["other"]
    assert [each.value for each in proto.metadata_props] == ["kept"]
    assert not proto.graph.value_info
    engine = OnnxRuntimeEngine.open(proto.SerializeToString())
    assert engine.run({"input": pictures(2)[0]})["logits"].shape == (2, 5)


def test_a_qdq_graph_takes_integers_and_their_scales() -> None:
    before, after = int8_model(weights(0)), int8_model(weights(7))
    names = [f"head.{part}.quantised" for part in ("weight", "bias")]
    names += [f"{name}.{end}" for name in names for end in ("scale", "zero_point")]
    new = {name: tensors_of(after)[name] for name in names}
    rewritten = replace_weights(before, new)
    found = tensors_of(rewritten)
    for name, array in new.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    assert checked(rewritten).graph.node == onnx.load_from_string(before).graph.node


@pytest.mark.parametrize("name", ["model.onnx", "model.int8.onnx"])
def test_an_exported_model_with_its_own_weights_stays_what_it_is(name: str) -> None:
    with ZipFile(LENET5) as archive:
        before = archive.read(name)
    proto = checked(replace_weights(before, tensors_of(before)))
    expected = onnx.load_from_string(before)
    for value in (*expected.graph.output, *expected.graph.value_info):
        kept = [each for each in value.metadata_props if not each.key.startswith("edgecnn.")]
        del value.metadata_props[:]
        value.metadata_props.extend(kept)
    assert proto == expected


@pytest.mark.parametrize(
    ("tensors", "classes"), [({"x": np.zeros(1, np.float32)}, {}), ({}, {"x": 3})]
)
def test_a_name_that_is_not_there_is_refused(
    tensors: dict[str, np.ndarray], classes: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match="no initialiser or output 'x'"):
        replace_weights(float_model(weights()), tensors, classes)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than its message"):
        replace_weights(b"\x3a\x7f", {"head.bias": np.zeros(BIAS.shape, np.float32)})
