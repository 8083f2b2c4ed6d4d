from __future__ import annotations

import numpy as np
import pytest
from unit.exporters.quantise.integer_forms.support import rewrite

from edgecnn_exporters.quantise.integer_forms.average_pool import ConvolveAveragePool


def graph(
    attributes: str, out: str = "float[N, 3, 4, 4]", source: str = "float[N, 3, 8, 8]"
) -> str:
    return f"g ({source} x) => ({out} y) {{ [pool] y = AveragePool <{attributes}> (x) }}"


def test_an_average_pool_becomes_a_depthwise_conv() -> None:
    found = rewrite(ConvolveAveragePool, graph("kernel_shape = [2, 2], strides = [2, 2]"))
    (conv,) = found.model.graph
    assert (conv.op_type, conv.name, conv.outputs[0].name) == ("Conv", "pool", "y")
    assert conv.attributes.get_int("group", 1) == 3
    weight = found.initialiser("pool.weight")
    np.testing.assert_array_equal(weight, np.full((3, 1, 2, 2), 0.25, np.float32))


def test_padding_that_counts_is_padding_of_the_conv() -> None:
    attributes = "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1], "
    found = rewrite(ConvolveAveragePool, graph(attributes + "count_include_pad = 1"))
    assert found.operators == ["Conv"]
    assert found.initialiser("pool.weight").ravel()[0] == np.float32(1 / 9)


@pytest.mark.parametrize(
    ("attributes", "out", "source"),
    [
        (
            "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1]",
            "float[N, 3, 4, 4]",
            "float[N, 3, 8, 8]",
        ),
        (
            "kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1",
            "float[N, 3, 4, 4]",
            "float[N, 3, 8, 8]",
        ),
        (
            'kernel_shape = [3, 3], strides = [2, 2], auto_pad = "SAME_UPPER"',
            "float[N, 3, 4, 4]",
            "float[N, 3, 8, 8]",
        ),
        ("kernel_shape = [2], strides = [2]", "float[N, 3, 4]", "float[N, 3, 8]"),
        ("kernel_shape = [2, 2], strides = [2, 2]", "float[N, 1, 4, 4]", "float[N, 1, 8, 8]"),
    ],
    ids=["padding that does not count", "ceil_mode", "auto_pad", "one axis", "one channel"],
)
def test_other_pools_are_left_alone(attributes: str, out: str, source: str) -> None:
    found = rewrite(ConvolveAveragePool, graph(attributes, out, source))
    assert found.operators == ["AveragePool"]
    assert not found.modified


@pytest.mark.parametrize(
    ("window", "out", "source"),
    [
        ("[3, 3]", "float[N, 1, 8, 8]", "float[N, 1, 8, 8]"),
        ("[3]", "float[N, 3, 8]", "float[N, 3, 8]"),
    ],
    ids=["one channel", "one axis"],
)
def test_padding_that_counts_elsewhere_becomes_a_pad(window: str, out: str, source: str) -> None:
    ends = "1, 1, 1, 1" if "," in window else "1, 1"
    attributes = f"kernel_shape = {window}, pads = [{ends}], count_include_pad = 1"
    found = rewrite(ConvolveAveragePool, graph(attributes, out, source))
    assert found.operators == ["Pad", "AveragePool"]


@pytest.mark.parametrize(
    ("more", "operators"),
    [
        ("", ["Conv"]),
        (", pads = [1, 1, 1, 1], count_include_pad = 1", ["Conv"]),
        (", pads = [1, 1, 1, 1]", ["Conv", "Mul"]),
        (", pads = [0, 1, 1, 0], strides = [2, 3]", ["Conv", "Mul"]),
    ],
    ids=["no padding", "padding that counts", "padding that does not", "uneven padding"],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_dilated_window_becomes_a_dilated_conv(
    more: str, operators: list[str], channels: int
) -> None:
    attributes = f"kernel_shape = [2, 3], dilations = [2, 2]{more}"
    text = graph(attributes, f"float[N, {channels}, h, v]", f"float[N, {channels}, 8, 9]")
    assert rewrite(ConvolveAveragePool, text, opset=19).operators == operators
