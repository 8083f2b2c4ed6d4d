"""What features see, by hand and by gradient."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from unit.edgecnn.zoo.analysis.zoo_nets import Net, conv, count, spans

from edgecnn.zoo.analysis.summary import summarise


def test_height_and_width_are_apart() -> None:
    (only,) = count(nn.Conv2d(1, 2, (1, 7), (1, 3), (0, 2), dilation=(1, 2))).stages
    assert spans(only) == ((0, 0, 1), (-2, 10, 3))


def test_the_longest_way_around_a_shortcut() -> None:
    network = Net(
        lambda m, x: m["second"](F.relu(m["first"](x))) + m["shortcut"](x),
        first=conv(1, 4, 3, 2, 1),
        second=conv(4, 4, 3, 1, 1),
        shortcut=conv(1, 4, 1, 2),
    )
    found = count(network)
    # The shortcut's convolution is a layer, but not on the longest path.
    assert (found.depth, found.layers) == (2, 3)
    assert found.receptive_field == 3 + 2 * 2
    (only,) = found.stages
    assert spans(only) == ((-3, 3, 2),) * 2


def test_branches_of_different_kernels() -> None:
    network = Net(
        lambda m, x: torch.cat((m["one"](x), m["three"](x), m["five"](m["reduce"](x))), 1),
        one=conv(3, 2, 1),
        three=conv(3, 4, 3, 1, 1),
        reduce=conv(3, 1, 1),
        five=conv(1, 8, 5, 1, 2),
    )
    found = count(network, channels=3)
    assert (found.depth, found.layers, found.width) == (2, 4, 14)
    assert found.receptive_field == 5
    assert found.parameters == 3 * 2 + 3 * 4 * 9 + 3 + 8 * 25
    assert found.macs == 256 * found.parameters


def test_paths_that_are_not_aligned_are_both_counted() -> None:
    def forward(m: nn.ModuleDict, x: torch.Tensor) -> torch.Tensor:
        left = m["left"](F.pad(x, (2, 0, 2, 0)))
        right = m["right"](F.pad(x, (0, 2, 0, 2)))
        return left + right

    found = count(Net(forward, left=conv(1, 1, 3), right=conv(1, 1, 3)))
    assert spans(found.stages[0]) == ((-2, 2, 1),) * 2
    assert found.receptive_field == 5


def test_dilation_spreads_the_taps() -> None:
    network = nn.Conv2d(1, 1, 3, dilation=4, padding=4)
    assert count(network).receptive_field == 9


def squeeze(x: torch.Tensor, m: nn.ModuleDict) -> torch.Tensor:
    return x * torch.sigmoid(m["up"](F.relu(m["down"](F.adaptive_avg_pool2d(x, 1)))))


@pytest.mark.parametrize(
    "pool", [lambda x: F.adaptive_avg_pool2d(x, 1), lambda x: x.mean((2, 3), keepdim=True)]
)
def test_a_squeeze_excite_gate_is_beside_the_path(pool: Callable[..., torch.Tensor]) -> None:
    network = Net(
        lambda m, x: m["last"](
            (y := m["first"](x)) * torch.sigmoid(m["up"](F.relu(m["down"](pool(y)))))
        ),
        first=conv(1, 8, 3, 1, 1),
        down=conv(8, 2, 1),
        up=conv(2, 8, 1),
        last=conv(8, 4, 3, 1, 1),
    )
    found = count(network)
    assert (found.depth, found.layers) == (2, 4)
    assert found.receptive_field == 5
    assert found.is_gated
    assert found.macs == 256 * (72 + 8 * 4 * 9) + 16 + 16
    (only,) = found.stages
    assert only.output == (4, 16, 16)


def test_a_gate_is_beside_the_path_on_a_map_of_one_pixel_too() -> None:
    network = Net(
        lambda m, x: squeeze(m["first"](x), m),
        first=conv(1, 4, 3, 2, 1),
        down=conv(4, 1, 1),
        up=conv(1, 4, 1),
    )
    found = count(network, side=1)
    assert (found.depth, found.receptive_field, found.is_gated) == (1, 3, True)


def test_an_average_pooling_of_the_whole_map_is_the_head() -> None:
    network = nn.Sequential(conv(1, 4, 3, 2, 1), nn.AvgPool2d(8), nn.Flatten(), nn.Linear(4, 2))
    found = count(network)
    assert [stage.name for stage in found.stages] == ["1", "head"]
    assert found.receptive_field == 3


def test_an_average_pooling_before_another_layer_is_a_window() -> None:
    # DenseNet's transitions, on an image so small that the last one covers its map.
    network = nn.Sequential(conv(1, 4, 3, 2, 1), nn.AvgPool2d(2), conv(4, 4, 3, 1, 1))
    assert count(network, side=4).receptive_field == 3 + 2 + 2 * 4


def test_channels_last_and_back_keeps_the_place() -> None:
    # A ConvNeXt block: normalised and multiplied with the channels as the last axis.
    def forward(m: nn.ModuleDict, x: torch.Tensor) -> torch.Tensor:
        y = m["norm"](m["depthwise"](x).permute(0, 2, 3, 1))
        return x + m["narrow"](F.gelu(m["wide"](y))).permute(0, 3, 1, 2)

    network = Net(
        forward,
        depthwise=nn.Conv2d(4, 4, 7, padding=3, groups=4, bias=False),
        norm=nn.LayerNorm(4),
        wide=nn.Linear(4, 16, bias=False),
        narrow=nn.Linear(16, 4, bias=False),
    )
    found = count(network, channels=4)
    assert (found.depth, found.receptive_field, found.is_gated) == (3, 7, False)
    assert found.macs == 256 * (4 * 49 + 64 + 64)


def test_a_channel_shuffle_keeps_the_place() -> None:
    def forward(m: nn.ModuleDict, x: torch.Tensor) -> torch.Tensor:
        y = m["first"](x).view(1, 2, 2, 16, 16).transpose(1, 2).reshape(1, 4, 16, 16)
        return m["second"](y)

    network = Net(forward, first=conv(1, 4, 3, 1, 1), second=conv(4, 4, 3, 1, 1))
    assert count(network).receptive_field == 5


def test_slices_and_upsampling_move_the_place() -> None:
    (sliced,) = count(Net(lambda m, x: x[:, :, 1::2, 3:] * 2)).stages
    assert spans(sliced) == ((1, 1, 2), (3, 3, 1))
    nearest = Net(
        lambda m, x: m["c"](F.interpolate(x[:, :, ::2, ::2], scale_factor=2)), c=conv(1, 1, 3)
    )
    # Three pixels that were each doubled from every second one.
    assert count(nearest).receptive_field == 3


def test_a_tensor_written_in_part_keeps_its_place() -> None:
    def forward(m: nn.ModuleDict, x: torch.Tensor) -> torch.Tensor:
        y = torch.zeros(1, 2, 16, 16, device=x.device)
        y[:, 1:] = m["first"](x)
        return m["second"](y)

    network = Net(forward, first=conv(1, 1, 3, 1, 1), second=conv(2, 1, 3, 1, 1))
    found = count(network)
    assert (found.depth, found.receptive_field) == (2, 5)


@pytest.mark.parametrize("kernel", [2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2])
def test_the_gradient_reaches_just_the_field(kernel: int, stride: int, dilation: int) -> None:
    """What a feature sees is where its gradient is not zero: all weights are positive here."""
    network = Net(
        lambda m, x: m["last"](torch.cat((m["wide"](y := m["first"](x)), m["narrow"](y)), 1)),
        first=nn.Conv2d(1, 2, kernel, stride, 1, dilation, bias=False),
        wide=nn.Conv2d(2, 2, 5, stride, 2, bias=False),
        narrow=nn.Conv2d(2, 2, 1, stride, bias=False),
        last=nn.AvgPool2d(2, 1),
    )
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    shape = (1, 96, 96)
    place = summarise(network, shape).stages[-1].place
    assert place is not None
    image = torch.zeros(1, *shape, requires_grad=True)
    answer = network(image)
    for position in (6, 7):
        (gradient,) = torch.autograd.grad(answer[0, :, position, 6].sum(), image, retain_graph=True)
        seen = gradient[0, 0].nonzero()[:, 0]
        first = place.rows.first + position * place.rows.stride
        last = place.rows.last + position * place.rows.stride
        assert (int(seen.min()), int(seen.max())) == (first, last)
