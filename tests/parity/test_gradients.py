"""Training graphs of zoo networks against PyTorch's autograd, as the benchmarks compare them."""

from __future__ import annotations

import pytest

from benchmarks.training.agreement import FEW_STEPS, agreement, loss_ratio
from benchmarks.training.bends import compare, held_agreement
from benchmarks.training.networks import Small, small
from benchmarks.training.sides import Watching
from edgecnn.zoo import ARCHITECTURES

# Sigmoids, overlapping pools with response normalisation, shortcuts with batch normalisation.
ALWAYS = ("lenet5", "alexnet_2012", "resnet8")
# Depthwise convolutions with ReLU6, hard activations with gates, branches with max pools,
# concatenations with average pools, sigmoids with gates.
DISTINCT = ("mobilenet_v2", "mobilenet_v3_small", "googlenet", "densenet40", "efficientnet_b0")
OTHERS = [name for name in ARCHITECTURES if name not in (*ALWAYS, *DISTINCT)]
WIDTH, BATCH = 0.25, 4
# Of PyTorch's own error in float32.
MOST = 3.0


@pytest.mark.parametrize("name", ALWAYS)
def test_every_gradient_and_step_is_pytorchs_to_its_own_rounding(name: str) -> None:
    network = small(name, WIDTH)
    found = agreement(network, network.graph(), BATCH, FEW_STEPS)
    worst, ratio = found.worst_gradient()
    assert ratio <= MOST, worst
    assert loss_ratio(found) <= MOST
    assert set(found.gradients) == learnt(network)
    # After more steps a ReLU may have bent for one of the two alone; the benchmark makes 20.
    assert found.steps["sgd"].ratio(0) <= MOST
    assert found.steps["adam"].ratio(0) <= MOST


@pytest.mark.matrix
@pytest.mark.parametrize("name", DISTINCT)
def test_gradients_of_other_operators_are_pytorchs_on_the_same_sides_of_bends(name: str) -> None:
    assert_gradients_are_pytorchs(name)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", OTHERS)
def test_gradients_of_all_other_networks_are_too(name: str) -> None:
    assert_gradients_are_pytorchs(name)


def assert_gradients_are_pytorchs(name: str) -> None:
    network = Watching(small(name, WIDTH))
    found = held_agreement(compare(network))
    worst, ratio = found.worst_gradient()
    assert ratio <= MOST, worst
    assert loss_ratio(found) <= MOST
    assert set(found.gradients) == learnt(network.network)


def learnt(network: Small) -> set[str]:
    """Names of the parameters; GoogLeNet's auxiliary classifiers lead to no output of the graph."""
    return {name for name, _ in network.module.named_parameters() if "aux" not in name}
