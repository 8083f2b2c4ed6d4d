from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
from learning_bundles import Recipe, int8_model, learning_contents, weights

from edgecnn_runtime.encoding import Range
from edgecnn_runtime.learn.requantise import encodings, quantised_layer, requantise
from edgecnn_runtime.training import QuantisedLayer, SeenRange

LAYER = QuantisedLayer("w", "b", "x.scale", 0, 8)


def initialisers(model: bytes) -> dict[str, Any]:
    graph = onnx.load_from_string(model).graph
    return {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}


def test_weights_and_bias_are_those_that_an_export_writes() -> None:
    known = initialisers(int8_model(weights()))
    manifest, _ = learning_contents(Recipe(is_int8=True))
    assert manifest.training is not None
    learnt = {name: weights()[name] for name in ("head.weight", "head.bias")}
    made = requantise(manifest.training, learnt, {}, known)
    assert len(made) == 6
    for name, array in made.items():
        np.testing.assert_array_equal(array, known[name], err_msg=name)
        assert array.dtype == known[name].dtype


@pytest.mark.parametrize(("bits", "largest"), [(8, 127), (7, 63)])
def test_the_largest_weight_of_a_channel_is_the_largest_integer(bits: int, largest: int) -> None:
    weight = np.array([[1.0, -4.0], [0.25, 0.5]], np.float32)
    bias = np.array([3.0, -1.0], np.float32)
    made = quantised_layer(replace(LAYER, bits=bits), {"w": weight, "b": bias}, 0.5)
    assert np.abs(made["w.quantised"]).max(axis=1).tolist() == [largest, largest]
    scale = made["w.quantised.scale"]
    np.testing.assert_allclose(scale, np.array([4, 0.5]) / largest, rtol=1e-6)
    np.testing.assert_allclose(made["b.quantised.scale"], scale * 0.5, rtol=1e-6)
    np.testing.assert_allclose(made["b.quantised"] * scale * 0.5, bias, atol=scale.max())
    assert not made["w.quantised.zero_point"].any()


def test_a_channel_of_zeros_keeps_its_bias() -> None:
    values = {"w": np.zeros((2, 3), np.float32), "b": np.array([1e3, -1e3], np.float32)}
    made = quantised_layer(LAYER, values, 0.01)
    assert not made["w.quantised"].any()
    np.testing.assert_allclose(made["b.quantised"] * made["b.quantised.scale"], values["b"])


def test_one_scale_serves_the_channels_of_a_grouped_transposed_convolution() -> None:
    weight = np.random.default_rng(0).normal(size=(4, 3, 2, 2)).astype(np.float32)
    values = {"w": weight, "b": np.ones(6, np.float32)}
    made = quantised_layer(replace(LAYER, axis=1), values, 0.1)
    assert made["w.quantised.scale"].shape == (3,)
    assert made["b.quantised.scale"].shape == (6,)
    assert len({*made["w.quantised.scale"].tolist()}) == 1


@pytest.mark.parametrize(("dtype", "zero_point"), [(np.uint8, 85), (np.int8, 85 - 128)])
def test_a_range_becomes_an_encoding_in_the_form_of_the_artefact(
    dtype: type[np.uint8 | np.int8], zero_point: int
) -> None:
    known = {"v.scale": np.float32(1), "v.zero_point": np.array(0, dtype)}
    ranges = (SeenRange("v", "v.scale", "v.zero_point"),)
    made = encodings(ranges, {"v": Range(-1.0, 2.0)}, known)
    assert made["v.scale"] == pytest.approx(3 / 255)
    assert made["v.scale"].shape == ()
    assert (made["v.zero_point"], made["v.zero_point"].dtype) == (zero_point, np.dtype(dtype))


def test_values_of_one_scale_share_a_range_and_unseen_ones_keep_theirs() -> None:
    known = {"s": np.float32(1), "z": np.uint8(0), "t": np.float32(2), "u": np.uint8(3)}
    ranges = (SeenRange("a", "s", "z"), SeenRange("b", "s", "z"), SeenRange("c", "t", "u"))
    made = encodings(ranges, {"a": Range(0.0, 1.0), "b": Range(-1.0, 4.0)}, known)
    assert made.keys() == {"s", "z"}
    assert made["s"] == pytest.approx(5 / 255)


def test_the_bias_follows_the_new_scale_of_its_input() -> None:
    manifest, _ = learning_contents(Recipe(is_int8=True))
    assert manifest.training is not None
    training = replace(
        manifest.training,
        ranges=(SeenRange("features", "features.scale", "features.zero_point"),),
    )
    known = initialisers(int8_model(weights()))
    learnt = {name: weights()[name] for name in ("head.weight", "head.bias")}
    made = requantise(training, learnt, {"features": Range(0.0, 51.0)}, known)
    np.testing.assert_allclose(
        made["head.bias.quantised.scale"], 0.2 * made["head.weight.quantised.scale"], rtol=1e-6
    )


def test_what_the_artefact_keeps_in_float_is_written_as_it_is() -> None:
    manifest, _ = learning_contents(Recipe(is_int8=True))
    assert manifest.training is not None
    scale = np.arange(3, dtype=np.float32)
    learnt = {name: weights()[name] for name in ("head.weight", "head.bias")} | {"other": scale}
    known = initialisers(int8_model(weights()))
    made = requantise(manifest.training, learnt, {}, known)
    assert made["other"] is scale
    assert "head.weight" not in made
