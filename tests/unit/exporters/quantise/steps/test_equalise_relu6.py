from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.chain_support import (
    assert_same,
    compute,
    network,
    weights_of,
)

from edgecnn_exporters.quantise.steps.equalise import equalise


def relu6(w1: list[float], b1: list[float], w2: list[float]) -> ir.Model:
    """A depthwise pair of one weight a channel, so that peaks can be worked out by hand."""
    channels = len(w1)
    return network(
        f"""[first] a = Conv <group = {channels}> (x, w1, b1) [act] b = Clip (a, zero, six)
        [second] y = Conv <group = {channels}> (b, w2)""",
        {
            "w1": np.array(w1, np.float32).reshape(-1, 1, 1, 1),
            "b1": np.array(b1, np.float32),
            "w2": np.array(w2, np.float32).reshape(-1, 1, 1, 1),
        },
        reads=f"float[N, {channels}, 8, 8] x",
    )


def test_through_relu6_only_channels_that_stay_below_it_are_scaled() -> None:
    # For x in -1 … 1 the peaks are 2, 0.5, 8, 5.7 and -1.
    model = relu6([1, 0.25, 4, 1, 0.5], [1, 0.25, 4, 4.7, -1.5], [0.25, 1, 0.25, 0.0625, 8])
    x = np.random.default_rng(0).uniform(-1, 1, (8, 5, 8, 8)).astype(np.float32)
    x[0, :, 0, 0] = 1
    peaks = {"a": compute(model, "a", x).max(axis=(0, 2, 3))}
    np.testing.assert_allclose(peaks["a"], [2, 0.5, 8, 5.7, -1], rtol=1e-6)
    before = compute(model, "y", x)
    found = equalise(model, peaks)
    assert_same(compute(model, "y", x), before)
    after = weights_of(model)
    # s = (2, 0.5, 1, 1, 0.25): the third reaches 6, the fourth comes within the margin.
    np.testing.assert_allclose(after["w1"].ravel(), [0.5, 0.5, 4, 1, 2], rtol=1e-6)
    np.testing.assert_allclose(after["w2"].ravel(), [0.5, 0.5, 0.25, 0.0625, 2], rtol=1e-6)
    (pair,) = found.equalised
    assert (pair.channels, pair.ratio) == (3, pytest.approx(4))
    assert [node.op_type for node in model.graph] == ["Conv", "Clip", "Conv"]
    assert after["six"] == 6


def test_through_relu6_a_channel_grows_no_further_than_below_it() -> None:
    # s = 0.1 would be best, and would take the peak of 2.7 to 27.
    model = relu6([0.2], [2.5], [20])
    x = np.ones((1, 1, 8, 8), np.float32)
    before = compute(model, "y", x)
    equalise(model, {"a": np.array([2.7], np.float32)})
    assert_same(compute(model, "y", x), before)
    np.testing.assert_allclose(compute(model, "a", x), 6 * 0.5, rtol=1e-5)


def test_through_relu6_too_a_channel_is_scaled_a_thousandfold_at_most() -> None:
    model = relu6([1e-20, 1e-20], [1e-20, -1], [1, 1])
    found = equalise(model, {"a": np.array([1e-20, -1], np.float32)})
    np.testing.assert_allclose(weights_of(model)["w2"].ravel(), [1e-3, 1e-3], rtol=1e-6)
    assert found.equalised[0].ratio == pytest.approx(1e3)


@pytest.mark.parametrize(
    ("peaks", "reason"),
    [
        (None, "Clip act: no peaks of a tell what stays below it"),
        ({"b": np.ones(2, np.float32)}, "Clip act: no peaks of a tell what stays below it"),
        ({"a": np.array([5.5, 7], np.float32)}, "Clip act: every channel reaches 3 of 6"),
    ],
)
def test_relu6_is_left_alone_where_peaks_do_not_tell(
    peaks: dict[str, np.ndarray] | None, reason: str
) -> None:
    model = relu6([2, 3], [1, 1], [0.5, 9])
    before = weights_of(model)
    found = equalise(model, peaks)
    assert not found.equalised
    assert found.refused[0].reason == reason
    for name, array in weights_of(model).items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    "peaks", [np.ones(3), np.ones((1, 2)), np.array([1, np.nan])], ids=["3", "rank 2", "NaN"]
)
def test_peaks_must_be_one_number_a_channel(peaks: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"of a \(.*expected \(2,\) without NaN"):
        equalise(relu6([2, 3], [1, 1], [0.5, 9]), {"a": peaks.astype(np.float32)})
