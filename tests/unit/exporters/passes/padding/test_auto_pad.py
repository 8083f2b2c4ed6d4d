from __future__ import annotations

import pytest
from unit.exporters.passes.support import apply, by_onnxruntime

from edgecnn_exporters.passes.padding.auto_pad import MakePaddingExplicit

TAPS = ", ".join(f"{number}.5" for number in range(9))
CONSTANTS = f"<float[1,1,3,3] w = {{{TAPS}}}, float[1,1,1,1] one = {{2.0}}>"


def graph(body: str) -> str:
    return f"g (float[N, 1, 7, 8] x) => (float[N, 1, h, v] y) {CONSTANTS} {{ {body} }}"


def pads_of(body: str, *, opset: int = 18) -> list[int]:
    found = apply(MakePaddingExplicit, graph(body), opset=opset, evaluate=by_onnxruntime)
    (node,) = found.model.graph
    assert found.modified
    assert not {"auto_pad", "output_shape"} & set(node.attributes)
    return list(node.attributes.get_ints("pads", [0] * 4))


# Of 7 rows and 8 columns at stride 2, 4 windows of 3 need 9 rows and 9 columns.
@pytest.mark.parametrize(
    "operator",
    [
        "Conv <auto_pad = {}, strides = [2, 2]> (x, w)",
        "MaxPool <auto_pad = {}, strides = [2, 2], kernel_shape = [3, 3]> (x)",
        "LpPool <auto_pad = {}, strides = [2, 2], kernel_shape = [3, 3]> (x)",
        "AveragePool <auto_pad = {}, strides = [2, 2], kernel_shape = [3, 3]> (x)",
        "AveragePool <auto_pad = {}, strides = [2, 2], kernel_shape = [3, 3], "
        "count_include_pad = 1> (x)",
    ],
)
def test_padding_that_is_automatic_becomes_explicit(operator: str) -> None:
    upper, lower, valid = (
        "y = " + operator.format(f'"{mode}"') for mode in ("SAME_UPPER", "SAME_LOWER", "VALID")
    )
    assert pads_of(upper) == [1, 0, 1, 1]
    assert pads_of(lower) == [1, 1, 1, 0]
    assert pads_of(valid) == [0, 0, 0, 0]


def test_a_stride_longer_than_the_kernel_needs_no_padding() -> None:
    assert pads_of('y = Conv <auto_pad = "SAME_UPPER", strides = [2, 2]> (x, one)') == [0] * 4


def test_a_transposed_conv_is_padded_to_the_image_times_the_stride() -> None:
    body = 'y = ConvTranspose <auto_pad = "{}", strides = [2, 2]> (x, w)'
    assert pads_of(body.format("SAME_UPPER")) == [0, 0, 1, 1]
    assert pads_of(body.format("SAME_LOWER")) == [1, 1, 0, 0]
    assert pads_of(body.format("VALID")) == [0, 0, 0, 0]


def test_an_output_shape_becomes_padding_of_a_transposed_conv() -> None:
    # Without padding it makes 15 rows and 17 columns.
    body = "y = ConvTranspose <output_shape = [14, 15], strides = [2, 2]{}> (x, w)"
    assert pads_of(body.format("")) == [1, 1, 0, 1]
    assert pads_of(body.format(', auto_pad = "SAME_UPPER"')) == [0, 1, 1, 1]


def test_a_larger_output_shape_becomes_output_padding() -> None:
    body = "y = ConvTranspose <output_shape = [16, 18], strides = [2, 2]> (x, w)"
    found = apply(MakePaddingExplicit, graph(body), evaluate=by_onnxruntime)
    (node,) = found.model.graph
    assert "pads" not in node.attributes
    assert node.attributes.get_ints("output_padding", []) == (1, 1)


@pytest.mark.parametrize("body", ["y = Conv (x, w)", 'y = Conv <auto_pad = "NOTSET"> (x, w)'])
def test_explicit_padding_is_left_alone(body: str) -> None:
    assert not apply(MakePaddingExplicit, graph(body)).modified


def test_a_dilated_pool_that_onnx_runtime_pads_in_its_own_way_is_left_alone() -> None:
    body = "y = MaxPool <auto_pad = {}, kernel_shape = [3, 3], dilations = [2, 2]> (x)"
    found = apply(MakePaddingExplicit, graph(body.format('"SAME_UPPER"')), evaluate=by_onnxruntime)
    assert not found.modified
    assert pads_of(body.format('"VALID"')) == [0] * 4
