from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.targets.tflite.support import by_onnxruntime, canonical, check, parse, read

from edgecnn_exporters.errors import UnsupportedModel
from edgecnn_exporters.targets.tflite.write import write_tflite

IMAGE = "g (float[1, 3, 4, 5] x) => (float[N, C, H, W] y)"
KNOWN = {
    "sides": np.array([0, 0, 1, 2, 0, 0, 2, 1]),
    "channels": np.array([0, 1, 0, 0, 0, 2, 0, 0]),
    "fewer": np.array([0, 0, -1, 0, 0, -1, 0, -2]),
    "both": np.array([0, 0, -1, 1, 0, 0, 2, -1]),
    "none": np.array([0] * 8),
    "plane": np.array([1, 2, 0, 1]),
    "axes": np.array([-1, 2]),
    "fill": np.array(1.5, np.float32),
    "zero": np.array(0, np.float32),
}


@pytest.mark.parametrize(
    ("body", "operators"),
    [
        ("Pad (x, sides)", ["PAD"]),
        ("Pad (x, sides, zero)", ["PAD"]),
        ("Pad (x, sides, fill)", ["PADV2"]),
        ("Pad (x, channels, fill)", ["PADV2"]),
        ("Pad (x, plane, , axes)", ["PAD"]),
        ("Pad (x, fewer)", ["SLICE"]),
        ("Pad (x, both, fill)", ["SLICE", "PADV2"]),
        ("Pad (x, none)", ["RESHAPE"]),
        ('Pad <mode = "reflect"> (x, sides)', ["MIRROR_PAD"]),
        ('Pad <mode = "edge"> (x, sides)', ["GATHER", "GATHER"]),
        ('Pad <mode = "wrap"> (x, plane, , axes)', ["GATHER", "GATHER"]),
    ],
)
def test_pads(body: str, operators: list[str]) -> None:
    used = {n: a for n, a in KNOWN.items() if f" {n})" in body or f" {n}," in body}
    # ONNX's evaluator knows no negative widths.
    found = check(f"{IMAGE} {{ y = {body} }}", used, evaluate=by_onnxruntime)
    assert read(found).codes == operators


def test_computed_widths_and_fills_are_refused() -> None:
    text = f"{IMAGE} {{ m = ReduceMax <keepdims = 0> (x) y = Pad (x, sides, m) }}"
    with pytest.raises(UnsupportedModel, match=r"^y \(Pad\) .* what it pads with is computed"):
        write_tflite(canonical(parse(text, {"sides": KNOWN["sides"]})))
