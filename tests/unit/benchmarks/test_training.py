"""Training benchmarks: cost of the scaled networks, gradient of a map's centre."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.training.compound_scaling import figures
from benchmarks.training.effective_field import (
    centre_gradients,
    effective_side,
    mean_size,
    root_mean_square,
    seen_side,
)
from benchmarks.training.scaled_networks import BASE, NETWORKS
from edgecnn.zoo.analysis.summary import summarise
from edgecnn.zoo.resnet import cifar_resnet


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "base"])
def test_every_scaled_network_costs_about_four_times_the_base(name: str) -> None:
    assert figures(NETWORKS[name]).macs == pytest.approx(4 * figures(BASE).macs, rel=0.03)


def test_the_gradient_of_two_mean_filters_is_their_convolution() -> None:
    network = nn.Sequential(*(nn.Conv2d(1, 1, 3, padding=1, bias=False) for _ in range(2)))
    for layer in network:
        assert isinstance(layer, nn.Conv2d)
        nn.init.ones_(layer.weight)
    gradients = centre_gradients(network, network[1], np.zeros((2, 1, 9, 9), np.float32))
    expected = np.zeros((9, 9))
    expected[2:7, 2:7] = np.outer([1, 2, 3, 2, 1], [1, 2, 3, 2, 1])
    for amplitude in (root_mean_square(gradients.random), mean_size(gradients.ones)):
        assert amplitude == pytest.approx(expected)
        # 1 of 9 is more than 4.55 %.
        assert effective_side(amplitude) == seen_side(amplitude) == 5


def test_the_gradient_ends_where_the_theoretical_field_does() -> None:
    torch.manual_seed(0)
    network = cifar_resnet(8).eval()
    images = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    gradients = centre_gradients(network, network.get_submodule("layer3"), images)
    assert (
        seen_side(root_mean_square(gradients.random))
        == summarise(network, (3, 64, 64)).receptive_field
    )
