"""The picture of a layer's gradient: its equations hold between the panels that it shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgecnn.backpropagation.convolution import correlate
from edgecnn.backpropagation.gradient import LayerGradient, differentiate
from edgecnn.backpropagation.layers import Layer
from edgecnn.backpropagation.record import ClassLoss, LayerPass
from edgecnn.report.plots.convolution_panels import convolution_equations
from edgecnn.report.plots.heat_map import HeatMap
from edgecnn.report.plots.pooling_panels import pooling_equations


def gradient_of(layer: Layer) -> Any:
    generator = np.random.default_rng(0)
    values = generator.standard_normal((4, 12, 11))
    output = layer.double()(torch.from_numpy(values)[None])[0].detach().numpy()
    run = LayerPass(values, output, generator.standard_normal(output.shape), ClassLoss(0, 1, 0))
    gradient: LayerGradient = differentiate(layer, "layer", run)
    return gradient


def arrays(panels: tuple[HeatMap | str, ...]) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
    return [panel.values for panel in panels if isinstance(panel, HeatMap)]


@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": (3, 2), "stride": 2, "padding": 1, "dilation": 2},
        {"kernel_size": 3, "stride": 3, "groups": 4},
    ],
)
def test_the_panels_of_a_convolution_are_what_their_operators_say(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(4, 4, **options)
    gradient = gradient_of(layer)
    stride, dilation = gradient.convolution.stride, gradient.convolution.dilation
    forward, to_input, to_kernel = convolution_equations(gradient)

    values, kernel, part, *_ = arrays(forward.panels)
    (made,) = correlate(values[None], kernel[None, None], stride)
    if gradient.depth == 1:
        assert layer.bias is not None
        made = made + layer.bias[gradient.output_channel].item()
    np.testing.assert_allclose(made, part)

    padded, rotated, full, total = arrays(to_input.panels)
    np.testing.assert_array_equal(rotated[::-1, ::-1], kernel)
    np.testing.assert_allclose(correlate(padded[None], rotated[None, None])[0], full)
    assert total.shape == (12, 11)

    values, of_output, of_kernel = arrays(to_kernel.panels)
    (made,) = correlate(values[None], of_output[None, None], dilation)
    rows, columns = of_kernel.shape
    np.testing.assert_allclose(made[:rows, :columns], of_kernel)


def test_zeros_that_are_added_are_grey_and_no_others() -> None:
    layer = nn.Conv2d(4, 4, 2, stride=2, padding=1)
    _, to_input, _ = convolution_equations(gradient_of(layer))
    padded = to_input.panels[0]
    assert isinstance(padded, HeatMap)
    assert padded.added is not None
    # 7×6 outputs, apart by one, and one more around.
    assert padded.values.shape == (2 * 7 - 1 + 2, 2 * 6 - 1 + 2)
    assert (~padded.added).sum() == 7 * 6


def test_the_enlarged_part_of_a_pooling_marks_the_largest_of_each_window() -> None:
    _, enlarged = pooling_equations(gradient_of(nn.MaxPool2d(3, 2, 1)))
    values, largest, *_ = arrays(enlarged.panels)
    shown = enlarged.panels[0]
    assert isinstance(shown, HeatMap)
    assert shown.marked is not None
    assert [values[row, column] for row, column in shown.marked] == largest.ravel().tolist()


def test_a_pooling_of_one_window_is_drawn_once() -> None:
    assert len(pooling_equations(gradient_of(nn.AdaptiveAvgPool2d(1)))) == 1
