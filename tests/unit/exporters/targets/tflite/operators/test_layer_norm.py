from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.targets.tflite.support import by_onnxruntime, canonical, check, parse, read

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.targets.tflite.write import write_tflite

RANDOM = np.random.default_rng(0)
KNOWN = {
    "last": RANDOM.standard_normal(5).astype(np.float32),
    "shift": RANDOM.standard_normal(5).astype(np.float32),
    "image": RANDOM.standard_normal((4, 5)).astype(np.float32),
    "channel": RANDOM.standard_normal(3).astype(np.float32),
    "offset": RANDOM.standard_normal(3).astype(np.float32),
}
NORMALISED = ["MEAN", "SUB", "MUL", "MEAN", "ADD", "RSQRT", "MUL"]


def used(body: str) -> dict[str, np.ndarray]:
    return {name: array for name, array in KNOWN.items() if name in body}


@pytest.mark.parametrize(
    ("body", "affine"),
    [
        ("LayerNormalization (x, last, shift)", ["MUL", "ADD"]),
        ("LayerNormalization <axis = 3, epsilon = 0.5> (x, last)", ["MUL"]),
        ("LayerNormalization <axis = -2> (x, image)", ["MUL"]),
        ("InstanceNormalization (x, channel, offset)", ["MUL", "ADD"]),
    ],
)
def test_layers_and_instances_are_normalised(body: str, affine: list[str]) -> None:
    text = f"g (float[1, 3, 4, 5] x) => (float[N, C, H, W] y) {{ y = {body} }}"
    found = check(text, used(body), evaluate=by_onnxruntime)
    assert read(found).codes == [*NORMALISED, *affine]


def test_channels_that_a_transpose_puts_last_are_normalised_where_they_lie() -> None:
    """As ConvNeXt writes it."""
    text = """g (float[1, 5, 4, 4] x) => (float[N, C, H, W] y)
    { t = Transpose <perm = [0, 2, 3, 1]> (x) n = LayerNormalization (t, last, shift)
    y = Transpose <perm = [0, 3, 1, 2]> (n) }"""
    assert check(text, used(text), evaluate=by_onnxruntime).transposes == 0


def test_a_computed_scale_is_refused() -> None:
    text = """g (float[1, 3, 4, 5] x) => (float[N, C, H, W] y)
    { m = ReduceMax <keepdims = 0> (x, axes) y = LayerNormalization (x, m) }"""
    proto = parse(text, {"axes": np.array([0, 1, 2])})
    with pytest.raises(UnsupportedModel, match=r"^y \(LayerNormalization\) .* is computed"):
        write_tflite(canonical(proto))
