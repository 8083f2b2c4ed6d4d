"""What is trained in 8 bits goes back into the module, and comes out of its export again."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from edgecnn_exporters.capture.reference import run_module, to_bytes
from edgecnn_exporters.capture.torch_export import capture
from edgecnn_exporters.errors import ScalesMismatch, UnsupportedModel
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.ladder import quantise
from edgecnn_exporters.quantise.trainable.begin import QuantisedTraining, begin
from edgecnn_exporters.quantise.trained import quantise_trained
from edgecnn_runtime.parity.difference import difference

RANDOM = np.random.default_rng(0)
SAMPLES = list(RANDOM.standard_normal((24, 1, 3, 12, 12)).astype(np.float32))
FAST = QuantConfig("fast")


def settled(*layers: nn.Module) -> nn.Module:
    """A network whose batch normalisations have seen something."""
    torch.manual_seed(0)
    network = nn.Sequential(*layers)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d) and layer.affine:
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.5, 0.5)
    with torch.no_grad():
        for _ in range(3):
            network.train()(torch.from_numpy(np.concatenate(SAMPLES)))
    return network.eval()


class Preactivated(nn.Module):
    """A block of DenseNet: normalised before its convolution, and joined with its input."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(8), nn.Conv2d(8, 4, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.conv(self.norm(x).relu())], 1)


class Twice(nn.Module):
    """A layer that two places of a network share."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.conv(x).relu())


def stem(channels: int = 8, **norm: bool) -> tuple[nn.Module, ...]:
    return (nn.Conv2d(3, channels, 3, bias=False), nn.BatchNorm2d(channels, **norm))


def head(channels: int) -> tuple[nn.Module, ...]:
    return (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "a convolution with batch norm": lambda: settled(*stem(), nn.ReLU(), *head(8)),
    "batch norm without weights of its own": lambda: settled(
        *stem(affine=False), nn.ReLU6(), *head(8)
    ),
    "a bias before batch norm": lambda: settled(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), *head(8)
    ),
    "a factor of HardSwish in the weights": lambda: settled(*stem(), nn.Hardswish(), *head(8)),
    "an offset of HardSigmoid in the bias": lambda: settled(*stem(), nn.Hardsigmoid(), *head(8)),
    "layers without batch norm": lambda: settled(
        nn.Conv2d(3, 8, 3), nn.Tanh(), nn.Conv2d(8, 8, 3, groups=8, bias=False), *head(8)
    ),
    "batch norm before its convolution": lambda: settled(
        *stem(), nn.ReLU(), Preactivated(), nn.ReLU(), *head(12)
    ),
    "a pooling that becomes a convolution": lambda: settled(
        *stem(), nn.ReLU(), nn.AvgPool2d(2), *head(8)
    ),
    "a transposed convolution": lambda: settled(
        *stem(), nn.ReLU(), nn.ConvTranspose2d(8, 6, 3, bias=False), nn.BatchNorm2d(6), *head(6)
    ),
}


def train_a_little(training: QuantisedTraining, steps: int = 5) -> None:
    x = torch.from_numpy(np.concatenate(SAMPLES))
    with torch.no_grad():
        expected = training.module(x)
    parameters = [p for p in training.network.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(parameters, 1e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        (training.network.train()(x) - expected).square().mean().backward()
        optimiser.step()


def captured(module: nn.Module):  # type: ignore[no-untyped-def]
    reference = run_module(module, [np.concatenate(SAMPLES[:2]), np.concatenate(SAMPLES[:3])])
    model = capture(module, reference, batch=None, opset=18).model
    canonicalise(model)
    return model


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=() if number in (3, 6) else pytest.mark.matrix)
        for number, kind in enumerate(NETWORKS)
    ],
)
def test_what_was_trained_is_what_an_export_of_the_module_writes(kind: str) -> None:
    training = begin(NETWORKS[kind](), SAMPLES, FAST)
    before = training.network.numbers()
    train_a_little(training)
    state, trained = training.trained()
    module = copy.deepcopy(training.module)
    module.load_state_dict(state)
    found = quantise_trained(captured(module), SAMPLES, trained, FAST).state.numbers
    expected = training.network.numbers()
    assert expected.activations != before.activations
    assert found.activations == expected.activations
    for name, weight in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name].integers, weight.integers)
        np.testing.assert_array_equal(found.weights[name].scale, weight.scale)
    for name, bias in expected.biases.items():
        np.testing.assert_array_equal(found.biases[name], bias)
    x = torch.from_numpy(np.concatenate(SAMPLES))
    with torch.no_grad():
        pair = (module(x).numpy(), training.network(x).numpy())
    assert difference([pair]).sqnr_db > 20, "the float module is what was trained, unrounded"


def test_the_exported_graph_answers_as_the_trained_network_does() -> None:
    training = begin(NETWORKS["a factor of HardSwish in the weights"](), SAMPLES, FAST)
    train_a_little(training)
    state, trained = training.trained()
    training.module.load_state_dict(state)
    found = quantise_trained(captured(training.module), SAMPLES, trained, FAST)
    x = np.concatenate(SAMPLES)
    (answers,) = ValueProbe(found.model).run(x).values()
    with torch.no_grad():
        own = training.network(torch.from_numpy(x)).numpy()
    assert difference([(answers, own)]).sqnr_db > 60
    assert found.is_trained
    assert found.rungs == ()
    assert found.provenance()["recipe"] == "training"
    mixture = next(found.mixtures())
    (kept,) = {name.partition(".")[0] for name in mixture.state.plan.kept}
    # What was trained lies on the grid of the integers: in float its weights are the same.
    assert mixture.score.sqnr_db >= found.score.sqnr_db, f"{kept} alone in float"


def test_weights_that_edgecnn_made_are_not_trained() -> None:
    training = begin(NETWORKS["a pooling that becomes a convolution"](), SAMPLES, FAST)
    before = training.network.numbers().weights
    train_a_little(training)
    after = training.network.numbers().weights
    is_moved = {name: (after[name].scale != before[name].scale).any() for name in before}
    assert is_moved == {"0": True, "3": False, "6": True}


def test_no_step_before_the_training_moves_weights_that_the_module_cannot_hold() -> None:
    """Equalisation would scale a convolution's channels, and the pooling's the other way."""
    network = settled(*stem(), nn.ReLU(), nn.AvgPool2d(2), *head(8))
    scale = 10 ** torch.linspace(-2, 2, 8)
    with torch.no_grad():
        _, gamma, beta, last, _ = network.parameters()
        for parameter, factor in ((gamma, scale), (beta, scale), (last, 1 / scale)):
            parameter.mul_(factor)
    balanced = QuantConfig("balanced", "min-max")
    equalised = quantise(captured(network), SAMPLES, balanced)
    assert equalised.rungs[0].is_kept, "else this network proves nothing"
    training = begin(network, SAMPLES, balanced)
    assert "equalise" not in [rung.name for rung in training.quantised.rungs]
    weights = training.network.weights()
    assert np.unique(weights["3.weight"]).tolist() == [0.25]


def test_a_layer_that_is_used_twice_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedModel, match=r"3\.conv is used twice"):
        begin(settled(*stem(), nn.ReLU(), Twice(), *head(8)), SAMPLES, FAST)


def test_an_operator_without_a_gradient_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedModel, match=r"\(Elu\) cannot be trained through"):
        begin(settled(*stem(), nn.ELU(), *head(8)), SAMPLES, FAST)


def test_scales_of_another_network_are_refused() -> None:
    training = begin(NETWORKS["a convolution with batch norm"](), SAMPLES, FAST)
    _, trained = training.trained()
    other = captured(NETWORKS["layers without batch norm"]())
    before = to_bytes(other)
    with pytest.raises(ScalesMismatch, match="of another graph"):
        quantise_trained(other, SAMPLES, trained, FAST)
    assert to_bytes(other) == before
    few = replace(trained, scales={**trained.scales, "0": trained.scales["0"][:3]})
    with pytest.raises(ScalesMismatch, match=r"0: .* not of its 8 channels"):
        quantise_trained(captured(training.module), SAMPLES, few, FAST)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_computes_what_the_cpu_does() -> None:
    training = begin(NETWORKS["batch norm before its convolution"](), SAMPLES, FAST)
    x = torch.from_numpy(np.concatenate(SAMPLES))
    with torch.no_grad():
        expected = training.network.eval()(x).numpy()
        found = training.network.cuda()(x.cuda()).cpu().numpy()
    assert difference([(expected, found)]).sqnr_db > 40
    train_state, _ = training.trained()
    assert {value.device.type for value in train_state.values()} == {"cpu"}
