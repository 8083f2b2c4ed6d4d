"""Training graphs of zoo networks against PyTorch's autograd, by the benchmark's own comparison."""

from __future__ import annotations

import pytest
from parity.test_zoo import KINDS

from benchmarks.training.agreement import FEW_STEPS, Agreement, agreement, loss_ratio
from benchmarks.training.networks import small
from edgecnn.zoo import ARCHITECTURES

# Sigmoids, overlapping pools with response normalisation, shortcuts with batch normalisation.
ALWAYS = ("lenet5", "alexnet_2012", "resnet8")
# Of which a capture takes minutes; benchmarks/training/gradients.py compares them too.
SLOW = ("resnet1202", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7")
OTHERS = [
    pytest.param(name, marks=pytest.mark.matrix if name in KINDS else pytest.mark.exhaustive)
    for name in ARCHITECTURES
    if name not in (*ALWAYS, *SLOW)
]
# Of PyTorch's own error in float32.
MOST = 3.0


@pytest.mark.parametrize("name", ALWAYS)
def test_every_gradient_is_pytorchs_to_its_own_rounding(name: str) -> None:
    found = compared(name)
    worst, ratio = found.worst_gradient()
    assert ratio <= MOST, worst
    # After more steps a ReLU may have bent for one of the two alone; the benchmark makes 20.
    assert found.steps["sgd"].ratio(0) <= MOST
    assert found.steps["adam"].ratio(0) <= MOST


# Where activations bend on either side in most batches, single parameters may be further off.
@pytest.mark.parametrize("name", OTHERS)
def test_the_gradients_of_other_networks_are(name: str) -> None:
    assert compared(name).share_within(MOST) >= 0.9


def compared(name: str) -> Agreement:
    """The agreement of a thin network; its loss and the names of its parameters are right."""
    network = small(name, 0.25)
    found = agreement(network, network.graph(), 4, FEW_STEPS)
    assert loss_ratio(found) <= MOST
    # GoogLeNet's auxiliary classifiers lead to no output of the graph.
    expected = {name for name, _ in network.module.named_parameters() if "aux" not in name}
    assert set(found.gradients) == expected
    return found
