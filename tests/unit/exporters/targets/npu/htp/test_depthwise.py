"""Windows of depthwise convolutions with stride 2, for QNN."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest

from edgecnn_exporters.targets.npu.htp.depthwise import widen_windows

RANDOM = np.random.default_rng(0)
CHANNELS = 34


def graph(
    attributes: str, window: tuple[int, int], zero_point: int = 0, channels: int = CHANNELS
) -> onnx.ModelProto:
    """A depthwise convolution between integer ends, with a random weight."""
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 18]> '
        f"g (uint8[1, {channels}, 9, 9] x) => (uint8[1, {channels}, H, W] y) "
        "<float s = {0.03125}, uint8 z = {120}, float ws = {0.0078125}, "
        f"int8 wz = {{{zero_point}}}, float t = {{0.0625}}, uint8 u = {{128}}> {{"
        "d = DequantizeLinear (x, s, z) k = DequantizeLinear (w, ws, wz) "
        f"c = Conv <group = {channels}, {attributes}> (d, k) y = QuantizeLinear (c, t, u) }}"
    )
    weight = RANDOM.integers(-127, 128, (channels, 1, *window)).astype(np.int8)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    return model


def answers(content: bytes, image: np.ndarray) -> np.ndarray:
    """By ONNX Runtime, as the graph is: without a kernel of integers."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(content, options)
    return np.asarray(session.run(None, {"x": image})[0])


@pytest.mark.parametrize("zero_point", [0, 5])
@pytest.mark.parametrize(
    ("window", "pads"),
    [
        ((1, 1), "0, 0, 0, 0"),
        ((2, 2), "0, 0, 0, 0"),
        ((2, 2), "1, 1, 1, 0"),
        ((1, 1), "0, 1, 1, 1"),
    ],
)
def test_a_wider_window_has_the_same_answers(
    window: tuple[int, int], pads: str, zero_point: int
) -> None:
    source = graph(f"strides = [2, 2], pads = [{pads}]", window, zero_point).SerializeToString()
    wider = widen_windows(source)
    model = onnx.load_from_string(wider)
    onnx.checker.check_model(model, full_check=True)
    (weight,) = (each for each in model.graph.initializer if len(each.dims) == 4)
    assert tuple(weight.dims) == (CHANNELS, 1, 3, 3)
    image = RANDOM.integers(0, 256, (1, CHANNELS, 9, 9)).astype(np.uint8)
    np.testing.assert_array_equal(answers(wider, image), answers(source, image))


@pytest.mark.parametrize(
    ("attributes", "window"),
    [
        ("strides = [1, 1]", (2, 2)),
        ("strides = [2, 2]", (3, 3)),
        ("strides = [2, 2]", (2, 1)),
        ("strides = [2, 2], dilations = [2, 2]", (2, 2)),
        ('strides = [2, 2], auto_pad = "SAME_UPPER"', (2, 2)),
    ],
)
def test_other_convolutions_are_left_alone(attributes: str, window: tuple[int, int]) -> None:
    source = graph(attributes, window).SerializeToString()
    assert widen_windows(source) is source


@pytest.mark.parametrize("channels", [4, 32, 37, 64])
def test_channels_that_qnn_computes_rightly_are_left_alone(channels: int) -> None:
    source = graph("strides = [2, 2]", (2, 2), channels=channels).SerializeToString()
    assert widen_windows(source) is source
