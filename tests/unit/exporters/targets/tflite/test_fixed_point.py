"""The fixed-point form of a TFLite file: fully connected layers are rounded as convolutions are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from unit.exporters.targets.tflite.integer_support import quantised

from edgecnn_exporters.targets.tflite.fixed_point import fixed_point_form
from edgecnn_exporters.targets.tflite.write import TfliteOptions, write_tflite
from edgecnn_runtime.engines.tflite_reference import TFLiteReferenceEngine

DENSE = "f = Flatten (x) [wide] y = Gemm <transB = 1> (f, wide, offset)"
IMAGES = np.random.default_rng(7).integers(-128, 128, (1500, 1, 8, 8, 6)).astype(np.int8)


@pytest.fixture(scope="module")
def dense() -> bytes:
    """A FULLY_CONNECTED of 384 inputs and ten outputs, a scale for each."""
    options = TfliteOptions(precision="int8", io="int8")
    return write_tflite(quantised(DENSE, "float[N, K] y"), options).content


def answers(content: bytes) -> np.ndarray:
    engine = TFLiteReferenceEngine.open(content, threads=1)
    return np.concatenate([engine.run({"x": image})["y"] for image in IMAGES]).astype(np.int64)


def by_hand(content: bytes) -> np.ndarray:
    """Sums in 64 bits, multiplied and rounded twice, as gemmlowp's fixed point is specified."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content))
    tensors = model.subgraphs[0].tensors
    operator = model.subgraphs[0].operators[-1]
    data, weight, bias = (tensors[index] for index in operator.inputs)
    result = tensors[operator.outputs[0]]
    sums = _sums(model, data, weight, bias)
    columns = []
    for column, scale in zip(sums.T, weight.quantization.scale, strict=True):
        real = (
            float(data.quantization.scale[0]) * float(scale) / float(result.quantization.scale[0])
        )
        fraction, exponent = np.frexp(real)
        assert exponent < 0
        multiplier, shift = round(float(fraction) * 2**31), -int(exponent)
        high = _half_away(column * multiplier, 31)
        columns.append(_half_away(high, shift))
    return np.clip(np.stack(columns, 1) + int(result.quantization.zeroPoint[0]), -128, 127)


def _sums(model: Any, data: Any, weight: Any, bias: Any) -> np.ndarray:
    def values(tensor: Any, dtype: type) -> np.ndarray:
        return np.frombuffer(bytes(model.buffers[tensor.buffer].data), dtype).astype(np.int64)

    rows = IMAGES.reshape(len(IMAGES), -1).astype(np.int64) - int(data.quantization.zeroPoint[0])
    return rows @ values(weight, np.int8).reshape(weight.shape).T + values(bias, np.int32)


def _half_away(values: np.ndarray, bits: int) -> np.ndarray:
    """Rounded division by 2^bits, halves away from zero."""
    return np.sign(values) * ((np.abs(values) + (1 << (bits - 1))) >> bits)


def test_the_integers_are_those_of_two_roundings(dense: bytes) -> None:
    fixed, count = fixed_point_form(dense)
    assert count == 1
    expected = by_hand(dense)
    np.testing.assert_array_equal(answers(fixed), expected)
    # What it is for: as long as this holds, the kernel of FULLY_CONNECTED rounds once.
    own = answers(dense)
    assert 0 < (own != expected).mean() < 0.01
    assert np.abs(own - expected).max() == 1


def test_inputs_and_outputs_keep_their_names(dense: bytes) -> None:
    fixed, _ = fixed_point_form(dense)
    engine = TFLiteReferenceEngine.open(fixed)
    assert [spec.name for spec in (*engine.inputs, *engine.outputs)] == ["x", "y"]


def test_a_file_without_such_a_layer_is_left_as_it_is(dense: bytes) -> None:
    fixed, _ = fixed_point_form(dense)
    assert fixed_point_form(fixed) == (fixed, 0)
