"""Training graphs of zoo networks against PyTorch's autograd, by the benchmark's own comparison."""

from __future__ import annotations

import pytest

from benchmarks.training.agreement import FEW_STEPS, agreement, loss_ratio
from benchmarks.training.networks import small
from edgecnn.zoo import ARCHITECTURES

# Sigmoids, overlapping pools with response normalisation, shortcuts with batch normalisation.
ALWAYS = ("lenet5", "alexnet_2012", "resnet8")
# Of which a capture takes minutes; benchmarks/training/gradients.py compares them too.
SLOW = ("resnet1202", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7")
OTHERS = [name for name in ARCHITECTURES if name not in (*ALWAYS, *SLOW)]
# Of PyTorch's own error in float32. After steps a ReLU may have bent for one of the two alone,
# which the benchmark shows over 20 steps; these few are before that.
MOST = 3.0


@pytest.mark.parametrize(
    "name", [*ALWAYS, *(pytest.param(name, marks=pytest.mark.matrix) for name in OTHERS)]
)
def test_gradients_are_pytorchs_to_its_own_rounding(name: str) -> None:
    network = small(name, 0.25)
    found = agreement(network, network.graph(), 4, FEW_STEPS)
    assert loss_ratio(found) <= MOST
    worst, ratio = found.worst_gradient()
    assert ratio <= MOST, worst
    expected = {name for name, _ in network.module.named_parameters() if "aux" not in name}
    assert set(found.gradients) == expected
    assert {name: each.ratio(0) <= MOST for name, each in found.steps.items()} == {
        "sgd": True,
        "adam": True,
    }
