"""Where sums may fall, by trying every pair of integers in float64."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.integer_forms.support import parse

from edgecnn_exporters.quantise.calibrate.halves import part_halves
from edgecnn_exporters.quantise.graph.plan import make_plan
from edgecnn_runtime.encoding import Encoding

# XNNPACK's multipliers of two terms together, in steps of a result that is as wide as they are.
ERROR = 2.5e-4
# Of a mean of less than 8 bits in float32: two roundings of 2^-24 each.
ERROR_OF_MEAN = 255 * 2 * 2.0**-24
IMAGE = "float[1, 1, 2, 2]"


def parted(body: str, encodings: dict[str, Encoding], outputs: str = "y") -> dict[str, Encoding]:
    ends = ", ".join(f"{IMAGE} {name}" for name in outputs.split())
    weights = "float[1,1,1,1] w = {1.5}, float low = {0.0}, float high = {6.0}"
    model = ir.from_proto(parse(f"g ({IMAGE} x) => ({ends}) <{weights}> {{ {body} }}"))
    return part_halves(model.graph, make_plan(model.graph), encodings)


def distance_to_half(*ratios: float) -> float:
    """How near to a half any sum of the ratios times integers of 8 bits comes."""
    steps = np.arange(-255, 256)
    sums = sum(np.meshgrid(*(np.float64(ratio) * steps for ratio in ratios)))
    return float(np.abs(np.abs(sums - np.floor(sums)) - 0.5).min())


def test_no_sum_of_two_terms_comes_near_a_half() -> None:
    before = {"x": Encoding(0.021, 100), "c": Encoding(0.0137, 128), "y": Encoding(0.03, 90)}
    assert distance_to_half(0.021 / 0.03, 0.0137 / 0.03) < ERROR
    found = parted("c = Conv (x, w) y = Add (x, c)", before)
    assert found["y"] == before["y"]
    ratios = [found[name].scale / found["y"].scale for name in ("x", "c")]
    assert distance_to_half(*ratios) > ERROR
    for name in ("x", "c"):
        assert found[name].zero_point == before[name].zero_point
        assert abs(found[name].scale / before[name].scale - 1) < 0.002


def test_a_chain_of_sums_is_parted_from_its_end() -> None:
    body = "c = Conv (x, w) s = Add (x, c) r = Relu (s) d = Conv (r, w) y = Add (r, d)"
    scales = {"x": 0.021, "c": 0.0137, "r": 0.0171, "d": 0.0111, "y": 0.03}
    found = parted(body, {name: Encoding(scale, 0) for name, scale in scales.items()})
    for terms, total in ((("x", "c"), "r"), (("r", "d"), "y")):
        ratios = [found[name].scale / found[total].scale for name in terms]
        assert distance_to_half(*ratios) > ERROR


def test_what_a_clip_ends_keeps_its_end() -> None:
    body = "c = Conv (x, w) k = Clip (c, low, high) y = Add (x, k)"
    before = {"x": Encoding(0.021, 100), "k": Encoding(6 / 255, 0), "y": Encoding(0.03, 90)}
    found = parted(body, before)
    assert found["k"] == before["k"]
    assert found["x"] != before["x"]


def test_what_a_function_prescribes_is_kept() -> None:
    before = {"x": Encoding(0.021, 100), "k": Encoding(1 / 256, 0), "y": Encoding(0.03, 90)}
    found = parted("k = Sigmoid (x) y = Add (x, k)", before)
    assert found["k"] == before["k"]


def test_a_term_that_would_move_much_is_left_alone() -> None:
    before = {"x": Encoding(0.021, 100), "c": Encoding(0.0003, 128), "y": Encoding(0.03, 90)}
    assert parted("c = Conv (x, w) y = Add (x, c)", before)["c"] == before["c"]


def test_a_term_of_two_sums_follows_the_later_one() -> None:
    body = "c = Conv (x, w) y = Add (x, c) d = Conv (x, w) z = Add (x, d)"
    scales = {"x": 0.021, "c": 0.0137, "y": 0.03, "d": 0.0171, "z": 0.0333}
    found = parted(
        body, {name: Encoding(scale, 100) for name, scale in scales.items()}, outputs="y z"
    )
    ratios = [found[name].scale / found["z"].scale for name in ("x", "d")]
    assert distance_to_half(*ratios) > ERROR


@pytest.mark.parametrize("side", [2, 8, 32])
def test_no_mean_of_pixels_comes_near_a_half(side: int) -> None:
    before = {"x": Encoding(0.02, 100), "y": Encoding(0.006, 100)}
    image = f"float[1, 1, {side}, {side}]"
    model = ir.from_proto(
        parse(f"g ({image} x) => (float[1, 1, 1, 1] y) {{ y = GlobalAveragePool (x) }}")
    )
    found = part_halves(model.graph, make_plan(model.graph), before)
    assert found["x"] == before["x"]
    ends = side * side * 255
    sums = np.arange(-ends, ends + 1) * (found["x"].scale / (side * side * found["y"].scale))
    assert np.abs(np.abs(sums - np.floor(sums)) - 0.5).min() > ERROR_OF_MEAN
    assert abs(found["y"].scale / before["y"].scale - 1) < 0.03
