"""Small networks, counted by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from unit.edgecnn.zoo.analysis.zoo_nets import Net, conv, count, spans

from edgecnn_runtime.errors import EdgeCNNError


def test_a_chain() -> None:
    network = nn.Sequential(
        conv(1, 4, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2), conv(4, 8, 3, 1, 1), nn.Flatten()
    )
    network.append(nn.Linear(8 * 4 * 4, 10))
    found = count(network)
    assert (found.depth, found.layers, found.width) == (3, 3, 8)
    assert found.parameters == 4 * 9 + 8 * 4 * 9 + 128 * 10 + 10
    # 4 maps of 8×8, each of 9 taps; 8 of 4×4, each of 36; 128 × 10.
    assert found.macs == 4 * 64 * 9 + 8 * 16 * 36 + 1280
    # 3; + 1 step of 2 pixels; + 2 steps of 4 pixels.
    assert (found.receptive_field, found.stride) == (13, 4)
    assert found.growth == (1, 5, 13)
    strided, pooled, head = found.stages
    assert spans(strided) == ((-1, 1, 2),) * 2
    # The padding of the last layer is a step of 4 pixels: -1 - 4 to -5 + 12.
    assert spans(pooled) == ((-5, 7, 4),) * 2
    assert pooled.place
    assert pooled.place.rows.centre == 1
    assert (strided.output, pooled.output, head.output) == ((4, 8, 8), (8, 4, 4), (10,))
    assert [stage.name for stage in found.stages] == ["1", "2", "head"]
    assert [stage.layers for stage in found.stages] == [1, 1, 1]
    assert [stage.macs for stage in found.stages] == [2304, 4608, 1280]
    assert head.place is None


def test_a_depthwise_convolution_multiplies_one_channel() -> None:
    depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False)
    found = count(nn.Sequential(depthwise, conv(6, 2, 1)), channels=6, side=4)
    assert [found.parameters, found.macs] == [6 * 9 + 12, 16 * (6 * 9 + 12)]


def test_a_transposed_convolution_goes_back_to_the_stride() -> None:
    network = nn.Sequential(
        conv(1, 2, 3, 2, 1), nn.ConvTranspose2d(2, 3, 2, 2, bias=False), conv(3, 1, 3, 1, 1)
    )
    found = count(network)
    assert [stage.output for stage in found.stages] == [(2, 8, 8), (1, 16, 16)]
    # Each of 64 inputs of 2 channels spreads 4 taps into 3 channels.
    assert found.macs == 64 * 2 * 9 + 128 * 12 + 256 * 27
    # A pixel of the middle reads one feature of 3 pixels; the last layer sees 3 such pixels, of
    # which two neighbours are one pixel apart: 3 + 2.
    assert (found.receptive_field, found.stride) == (5, 1)
    assert [stage.name for stage in found.stages] == ["1", "2"]


def test_a_flattened_network_has_a_head_only() -> None:
    found = count(nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)), side=4)
    (head,) = found.stages
    assert (head.name, head.output, head.width) == ("head", (3,), 8)
    assert (found.depth, found.width, found.receptive_field) == (2, 8, 1)
    assert found.macs == 16 * 8 + 8 * 3


def test_padding_before_the_first_layer_is_of_its_stage() -> None:
    # As TensorFlow's "SAME" pads for an even size: the odd pixel behind.
    network = Net(lambda m, x: m["first"](F.pad(x, (0, 1, 0, 1))), first=conv(1, 2, 3, 2))
    (only,) = count(network).stages
    assert (only.output, spans(only)) == ((2, 8, 8), ((0, 2, 2),) * 2)


def test_only_what_the_evaluation_reads_is_counted() -> None:
    class Auxiliary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.main = conv(1, 2, 3)
            self.aside = conv(1, 5, 3)

        def forward(self, x: torch.Tensor) -> object:
            return (self.main(x), self.aside(x)) if self.training else self.main(x)

    network = Auxiliary()
    found = count(network)
    assert (found.layers, found.parameters) == (1, 18)
    assert network.training
    assert network.main.training


def test_a_layer_used_twice_has_its_parameters_once() -> None:
    found = count(Net(lambda m, x: m["same"](m["same"](x)), same=conv(1, 1, 3, 1, 1)))
    assert (found.depth, found.parameters, found.macs) == (2, 9, 2 * 256 * 9)


def test_peak_memory_of_a_chain() -> None:
    # 64 bytes in, 128 each of the convolution, BatchNorm and ReLU; two of those at once.
    network = nn.Sequential(conv(1, 2, 1), nn.BatchNorm2d(2), nn.ReLU(inplace=True), conv(2, 1, 1))
    found = count(network, side=4)
    assert found.peak_activation_bytes == 128 + 128


def test_peak_memory_keeps_what_a_later_layer_reads() -> None:
    def forward(m: nn.ModuleDict, x: torch.Tensor) -> torch.Tensor:
        start = m["first"](x)
        y = m["second"](F.relu(start))
        return start + y

    network = Net(forward, first=conv(1, 2, 1), second=conv(2, 2, 1))
    # Start, its ReLU and the second convolution's answer, of 128 bytes each.
    assert count(network, side=4).peak_activation_bytes == 3 * 128


def test_a_view_needs_no_memory() -> None:
    network = nn.Sequential(conv(1, 2, 1), nn.Flatten(), nn.Unflatten(1, (2, 16)))
    assert count(network, side=4).peak_activation_bytes == 64 + 128


def test_peak_memory_by_stage() -> None:
    network = nn.Sequential(conv(1, 4, 1), conv(4, 4, 2, 2), conv(4, 16, 1))
    found = count(network, side=4)
    # 64 + 256 bytes; then 256 + 64; then 64 + 256: of the second stage, whichever is more.
    assert [stage.peak_bytes for stage in found.stages] == [320, 320]
    assert found.peak_activation_bytes == 320


def test_a_network_that_looks_at_numbers_runs_on_the_cpu() -> None:
    network = Net(lambda m, x: m["conv"](x) if float(x.sum()) == 0 else x, conv=conv(1, 2, 3, 1, 1))
    assert count(network).receptive_field == 3


def test_an_input_too_small_is_answered_with_the_least_that_works() -> None:
    network = nn.Sequential(conv(1, 2, 5, 2), nn.MaxPool2d(3), conv(2, 2, 2))
    # 2 pixels after the pooling need 6 before it, which need 5 + 5 · 2.
    with pytest.raises(EdgeCNNError, match=r"input of 1x1x9x9: .*works is 1x1x15x15"):
        count(network, side=9)
    assert count(network, side=15).stages[-1].output[1:] == (1, 1)


def test_an_input_of_other_channels_is_answered_with_those_it_reads() -> None:
    with pytest.raises(EdgeCNNError, match="reads images of 3 channels, not of 1"):
        count(conv(3, 2, 3), channels=1)


def test_a_network_that_never_runs_says_why() -> None:
    def forward(m: nn.ModuleDict, x: torch.Tensor) -> torch.Tensor:
        raise ValueError("no such thing")

    with pytest.raises(EdgeCNNError, match="no such thing; no usual square size runs either"):
        count(Net(forward))


def test_an_output_that_ignores_the_input_is_refused() -> None:
    with pytest.raises(EdgeCNNError, match="does not depend on its input"):
        count(Net(lambda m, x: torch.zeros(1)))
