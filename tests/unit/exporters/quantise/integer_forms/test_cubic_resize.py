from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from unit.exporters.quantise.chain_support import network
from unit.exporters.quantise.integer_forms.support import rewrite

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.integer_forms.cubic_resize import SeparateResizedChannels
from edgecnn_exporters.quantise.ladder import quantise

SIZES = "int64[4] sizes = {2, 3, 5, 4}, float[4] factors = {1.0, 1.0, 0.5, 0.75}"


def graph(resize: str, answers: str = "float[2, 3, 5, 4] y") -> str:
    return f"g (float[2, 3, 8, 8] x) => ({answers}) <{SIZES}> {{ [resize] y = {resize} }}"


@pytest.mark.parametrize(
    ("resize", "answers"),
    [
        ('Resize <mode = "cubic"> (x, , , sizes)', "float[2, 3, 5, 4] y"),
        ('Resize <mode = "cubic"> (x, , factors)', "float[2, 3, 4, 6] y"),
    ],
)
def test_a_cubic_resize_that_shrinks_is_of_one_channel(resize: str, answers: str) -> None:
    found = rewrite(SeparateResizedChannels, graph(resize, answers))
    assert found.modified
    (node,) = [each for each in found.model.graph if each.op_type == "Resize"]
    assert node.inputs[0] is not None
    assert node.inputs[0].shape is not None
    assert node.inputs[0].shape[1] == 1


@pytest.mark.parametrize(
    "resize",
    [
        'Resize <mode = "linear"> (x, , , sizes)',
        'Resize <mode = "cubic", antialias = 1> (x, , , sizes)',
    ],
)
def test_other_resizes_stay(resize: str) -> None:
    assert not rewrite(SeparateResizedChannels, graph(resize)).modified


def test_a_cubic_resize_between_8_bit_convolutions_runs() -> None:
    """ONNX Runtime moved its channels to the end, and had no kernel for that."""
    random = np.random.default_rng(0)
    weights = {
        "one": random.standard_normal((6, 3, 3, 3)).astype(np.float32) / 4,
        "two": random.standard_normal((4, 6, 1, 1)).astype(np.float32) / 2,
        "halves": np.array([1, 1, 0.5, 0.5], np.float32),
    }
    body = """a = Conv <pads = [1, 1, 1, 1]> (x, one) b = Relu (a)
    c = Resize <mode = "cubic"> (b, , halves) d = Conv (c, two) y = Relu (d)"""
    model = network(body, weights)
    samples = list(random.standard_normal((8, 1, 3, 8, 8)).astype(np.float32))
    found = quantise(model, samples, QuantConfig("fast")).model
    session = onnxruntime.InferenceSession(to_bytes(found))
    (answer,) = session.run(None, {"x": samples[0]})
    expected = ValueProbe(found).run(samples[0])["y"]
    np.testing.assert_allclose(answer, expected, atol=0.02 * np.abs(expected).max())
