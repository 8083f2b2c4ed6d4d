from __future__ import annotations

from itertools import product

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest
import torch
from unit.exporters.passes.support import apply, by_onnxruntime

from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.passes.padding.ceil_mode import RoundPoolsDown


def graph(body: str, size: int = 8) -> str:
    return f"g (float[N, 2, {size}, {size}] x) => (float[N, 2, h, v] y) {{ {body} }}"


def attributes(kernel: int, stride: int, pad: int, more: str = "") -> str:
    return (
        f"<kernel_shape = [{kernel}, {kernel}], strides = [{stride}, {stride}], "
        f"pads = [{pad}, {pad}, {pad}, {pad}], ceil_mode = 1{more}>"
    )


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool", "LpPool"])
def test_a_rounded_up_size_becomes_padding_at_the_end(operator: str) -> None:
    body = f"y = {operator} <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1> (x)"
    found = apply(RoundPoolsDown, graph(body), opset=22, evaluate=by_onnxruntime)
    (pool,) = found.model.graph
    assert "ceil_mode" not in pool.attributes
    assert pool.attributes.get_ints("pads", []) == (0, 0, 1, 1)


def test_padding_that_counts_becomes_part_of_the_image() -> None:
    body = f"y = AveragePool {attributes(3, 2, 1, ', count_include_pad = 1')} (x)"
    found = apply(RoundPoolsDown, graph(body), opset=22, evaluate=by_onnxruntime)
    assert found.operators == ["Pad", "AveragePool"]
    _, pool = found.model.graph
    assert pool.attributes.get_ints("pads", []) == (0, 0, 1, 1)
    assert "count_include_pad" not in pool.attributes


def test_an_average_that_would_count_padding_and_has_none_needs_no_pad() -> None:
    body = f"y = AveragePool {attributes(3, 2, 0, ', count_include_pad = 1')} (x)"
    found = apply(RoundPoolsDown, graph(body), opset=22, evaluate=by_onnxruntime)
    assert found.operators == ["AveragePool"]


def test_a_size_that_divides_keeps_its_padding() -> None:
    body = f"y = AveragePool {attributes(3, 2, 1, ', count_include_pad = 1')} (x)"
    found = apply(RoundPoolsDown, graph(body, size=9), opset=22, evaluate=by_onnxruntime)
    (pool,) = found.model.graph
    assert pool.attributes.get_ints("pads", []) == (1, 1, 1, 1)
    assert pool.attributes.get_int("count_include_pad", 0) == 1


def test_one_and_three_axes_are_rounded_too() -> None:
    body = "y = AveragePool <kernel_shape = [2], strides = [2], ceil_mode = 1> (x)"
    line = f"g (float[N, 2, 7] x) => (float[N, 2, h] y) {{ {body} }}"
    assert apply(RoundPoolsDown, line, opset=22, evaluate=by_onnxruntime).modified
    body = "y = MaxPool <kernel_shape = [2, 2, 2], strides = [2, 2, 2], ceil_mode = 1> (x)"
    cube = f"g (float[N, 2, 7, 5, 6] x) => (float[N, 2, h, v, d] y) {{ {body} }}"
    assert apply(RoundPoolsDown, cube, opset=22, evaluate=by_onnxruntime).modified


def test_a_dilated_window_that_reaches_too_far_is_left_alone() -> None:
    body = f"y = MaxPool {attributes(2, 3, 0, ', dilations = [2, 2]')} (x)"
    found = apply(RoundPoolsDown, graph(body, size=4), opset=22, evaluate=by_onnxruntime)
    assert not found.modified


# The last window begins in the image or the padding before it: PyTorch's rule, in a graph of
# opset 18, for which onnx's shape inference counts one more.
def test_every_pool_of_opset_18_has_the_sizes_and_numbers_of_pytorch() -> None:
    for kernel, stride, size in product((2, 3), (2, 3), (6, 7)):
        for pad in range(kernel // 2 + 1):
            image = torch.from_numpy(np.random.default_rng(size).random((1, 2, size, size)))
            image = image.float() - 0.5
            window = (kernel, stride, pad)
            for counts in (0, 1):
                averages = torch.nn.functional.avg_pool2d(
                    image, *window, ceil_mode=True, count_include_pad=counts > 0
                )
                more = f", count_include_pad = {counts}"
                _assert_canonical(
                    f"y = AveragePool {attributes(*window, more)} (x)", image, averages
                )
            largest = torch.nn.functional.max_pool2d(image, *window, ceil_mode=True)
            _assert_canonical(f"y = MaxPool {attributes(*window)} (x)", image, largest)


def _assert_canonical(body: str, image: torch.Tensor, expected: torch.Tensor) -> None:
    text = graph(f"{body.replace('y =', 'z =')} y = Relu (z)", image.shape[-1])
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 18]>\n{text}')
    model = ir.from_proto(proto)
    canonicalise(model)
    after = ir.to_proto(model)
    # Noted sizes that opset 18 does not infer are refused.
    onnx.checker.check_model(after, full_check=True)
    (found,) = by_onnxruntime(after, {"x": image.numpy()})
    assert model.graph.outputs[0].shape is not None
    assert tuple(model.graph.outputs[0].shape[2:]) == tuple(expected.shape[2:])
    np.testing.assert_allclose(found, expected.clamp(min=0), atol=1e-6)
