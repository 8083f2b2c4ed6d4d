from __future__ import annotations

import pytest
from unit.exporters.passes.support import apply, by_onnxruntime

from edgecnn_exporters.passes.batch_norm import FoldBatchNorm

STATISTICS = """float[2] gamma = {1.5, -0.5}, float[2] beta = {0.25, 3.0},
   float[2] mean = {-1.0, 2.0}, float[2] variance = {0.04, 9.0}"""
NORM = "y = BatchNormalization <epsilon = 0.001> (c, gamma, beta, mean, variance)"


@pytest.mark.parametrize(
    ("weight", "inputs", "attributes", "channels"),
    [
        ("float[2,1,1,1] w = {2.0, -3.0}", "x, w", "", 1),
        ("float[2,1,1,1] w = {2.0, -3.0}, float[2] b = {0.5, -0.25}", "x, w, b", "", 1),
        ("float[2,1,1,2] w = {2.0, -3.0, 1.0, 0.5}", "x, w", "<group = 2>", 2),
        (
            "float[2,1,2,1] w = {2.0, -3.0, 1.0, 0.5}, float[2] b = {7.0, 8.0}",
            "x, w, b",
            "<group = 2, pads = [1, 0, 0, 0]>",
            2,
        ),
    ],
    ids=["plain", "with bias", "depthwise", "depthwise with bias and padding"],
)
def test_it_disappears_into_the_conv(
    weight: str, inputs: str, attributes: str, channels: int
) -> None:
    found = apply(
        FoldBatchNorm,
        f"""g (float[N, {channels}, 4, 4] x) => (float[N, 2, H, W] y) <{weight}, {STATISTICS}>
        {{ c = Conv {attributes} ({inputs}) {NORM} }}""",
    )
    assert found.operators == ["Conv"]
    assert found.modified


@pytest.mark.parametrize(
    ("weight", "attributes", "channels"),
    [
        ("float[1,2,1,2] w = {2.0, -3.0, 1.0, 0.5}", "", 1),
        ("float[2,1,2,1] w = {2.0, -3.0, 1.0, 0.5}", "<group = 2, strides = [2, 2]>", 2),
    ],
    ids=["plain", "grouped"],
)
def test_it_disappears_into_a_transposed_conv(weight: str, attributes: str, channels: int) -> None:
    found = apply(
        FoldBatchNorm,
        f"""g (float[N, {channels}, 4, 4] x) => (float[N, 2, H, W] y) <{weight}, {STATISTICS}>
        {{ c = ConvTranspose {attributes} (x, w) {NORM} }}""",
        # onnx 1.23's reference adds the bias of group 0 in every group.
        evaluate=by_onnxruntime,
    )
    assert found.operators == ["ConvTranspose"]


def test_one_after_another_both_disappear() -> None:
    second = "y = BatchNormalization (d, gamma, beta, mean, variance)"
    found = apply(
        FoldBatchNorm,
        f"""g (float[N, 1, 4, 4] x) => (float[N, 2, 4, 4] y)
        <float[2,1,1,1] w = {{2.0, -3.0}}, {STATISTICS}>
        {{ c = Conv (x, w) {NORM.replace("y =", "d =")} {second} }}""",
    )
    assert found.operators == ["Conv"]


def test_a_weight_that_two_convs_share_is_only_changed_for_one() -> None:
    found = apply(
        FoldBatchNorm,
        f"""g (float[N, 1, 4, 4] x) => (float[N, 2, 4, 4] y, float[N, 2, 4, 4] z)
        <float[2,1,1,1] w = {{2.0, -3.0}}, {STATISTICS}>
        {{ c = Conv (x, w) {NORM} z = Conv (x, w) }}""",
    )
    assert found.operators == ["Conv", "Conv"]


def test_the_conv_keeps_the_name_of_its_weight() -> None:
    found = apply(
        FoldBatchNorm,
        f"""g (float[N, 1, 4, 4] x) => (float[N, 2, 4, 4] y)
        <float[2,1,1,1] w = {{2.0, -3.0}}, {STATISTICS}> {{ c = Conv (x, w) {NORM} }}""",
    )
    (conv,) = found.model.graph
    assert [value.name for value in conv.inputs] == ["x", "w", "w.bias"]


def test_one_that_still_trains_is_left_alone() -> None:
    trains = NORM.replace("y =", "y, m2, v2 =").replace("<", "<training_mode = 1, ")
    found = apply(
        FoldBatchNorm,
        f"""g (float[N, 1, 4, 4] x) => (float[N, 2, 4, 4] y)
        <float[2,1,1,1] w = {{2.0, -3.0}}, {STATISTICS}> {{ c = Conv (x, w) {trains} }}""",
    )
    assert found.operators == ["Conv", "BatchNormalization"]
    assert not found.modified


def test_a_running_variance_near_zero_is_folded_exactly() -> None:
    found = apply(
        FoldBatchNorm,
        """g (float[N, 1, 2, 2] x) => (float[N, 2, 2, 2] y)
        <float[2,1,1,1] w = {1.0, 1.0}, float[2] gamma = {1.0, 1.0}, float[2] beta = {0.0, 0.0},
         float[2] mean = {0.5, 0.5}, float[2] variance = {1e-12, 1.0}>
        { c = Conv (x, w) y = BatchNormalization <epsilon = 1e-5> (c, gamma, beta, mean, variance) }
        """,
    )
    assert found.operators == ["Conv"]


@pytest.mark.parametrize(
    ("body", "outputs"),
    [
        (f"c = Conv (x, w) {NORM} z = Relu (c)", "float[N, 2, 4, 4] y, float[N, 2, 4, 4] z"),
        (f"c = Conv (x, w) {NORM}", "float[N, 2, 4, 4] y, float[N, 2, 4, 4] c"),
        ("y = BatchNormalization (x2, gamma, beta, mean, variance)", "float[N, 2, 4, 4] y"),
    ],
    ids=["the conv has a second reader", "the conv leaves the graph", "there is no conv"],
)
def test_it_is_left_alone_where(body: str, outputs: str) -> None:
    found = apply(
        FoldBatchNorm,
        f"""g (float[N, 1, 4, 4] x, float[N, 2, 4, 4] x2) => ({outputs})
        <float[2,1,1,1] w = {{2.0, -3.0}}, {STATISTICS}> {{ {body} }}""",
    )
    assert "BatchNormalization" in found.operators
    assert not found.modified


def test_weights_that_are_computed_are_left_alone() -> None:
    found = apply(
        FoldBatchNorm,
        f"""g (float[N, 1, 4, 4] x, float[2, 1, 1, 1] w) => (float[N, 2, 4, 4] y) <{STATISTICS}>
        {{ c = Conv (x, w) {NORM} }}""",
    )
    assert not found.modified
