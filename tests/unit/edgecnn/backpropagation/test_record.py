"""What a layer read and wrote in one pass, and the layers that have no gradient to show."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from edgecnn.backpropagation.layers import find_layer, find_layers
from edgecnn.backpropagation.record import record_layer
from edgecnn.errors import LayerUnusable

IMAGE = np.linspace(-1, 1, 3 * 8 * 8, dtype=np.float32).reshape(1, 3, 8, 8)


def network(*more: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    # In place: what the convolution wrote is overwritten before the loss is known.
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), *more, *head)


def test_the_gradient_is_that_of_the_output_before_a_relu_in_place() -> None:
    net = network().double()
    run = record_layer(net, net[0], "0", IMAGE)
    convolution, head = net[0], net[2:]
    output = convolution(torch.from_numpy(IMAGE).double()).detach().requires_grad_()
    scores = head(torch.relu(output))
    target = int(scores.argmax())
    (-torch.log_softmax(scores, 1)[0, target]).backward()
    assert output.grad is not None
    np.testing.assert_allclose(run.output, output[0].detach().numpy())
    np.testing.assert_allclose(run.output_gradient, output.grad[0].numpy())
    assert (run.output < 0).any()
    assert run.loss.target == target
    assert run.loss.value == pytest.approx(-math.log(run.loss.probability))


def test_a_layer_that_runs_twice_or_never_is_refused() -> None:
    shared = nn.Conv2d(4, 4, 1)
    net = network(shared, shared)
    with pytest.raises(LayerUnusable, match="2 runs 2 times for one image, expected once"):
        record_layer(net, shared, "2", IMAGE)
    with pytest.raises(LayerUnusable, match="aux runs 0 times"):
        record_layer(net, nn.Conv2d(4, 4, 1), "aux", IMAGE)


def test_a_layer_that_no_gradient_reaches_is_refused() -> None:
    net = network()
    nn.init.constant_(net[0].weight, 0)
    nn.init.constant_(net[0].bias, -1)
    with pytest.raises(LayerUnusable, match="no gradient reaches 0: dL/dY is 0 everywhere"):
        record_layer(net, net[0], "0", IMAGE)


def test_a_network_that_is_no_classifier_or_does_not_run_is_refused() -> None:
    convolution = nn.Conv2d(3, 4, 3)
    with pytest.raises(LayerUnusable, match=r"answers \(1, 4, 6, 6\), expected scores"):
        record_layer(nn.Sequential(convolution), convolution, "0", IMAGE)
    with pytest.raises(LayerUnusable, match="does not run on an input of 1x3x8x8"):
        record_layer(nn.Sequential(nn.Conv2d(1, 4, 3)), convolution, "0", IMAGE)


def test_layers_are_found_by_the_names_of_their_modules() -> None:
    net = nn.Sequential(network(), nn.Identity())
    assert list(find_layers(net)) == ["0.0", "0.2"]
    assert find_layer(net, "0.0", "net") is net[0][0]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("0.3", "0.3 of net is a Flatten, expected a convolution or a pooling"),
        ("0", "0 of net is a Sequential, .*; take one in it: 0.0, 0.2; "),
        ("0.0.weight", "net has no layer '0.0.weight'; .*--gradient list lists the layers"),
        ("0.00", "did you mean 0.0"),
        ("", "net has no layer ''"),
    ],
)
def test_another_name_is_answered_with_near_ones(name: str, says: str) -> None:
    with pytest.raises(LayerUnusable, match=says):
        find_layer(nn.Sequential(network()), name, "net")
