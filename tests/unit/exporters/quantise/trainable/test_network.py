from __future__ import annotations

import numpy as np
import pytest
import torch
from unit.exporters.quantise.chain_support import inputs, network
from unit.exporters.quantise.trainable.support import quantised

from edgecnn.model.build import build_network
from edgecnn.model.network import NetworkOptions
from edgecnn.model.resolve import resolve
from edgecnn_exporters.capture.examples import example_images
from edgecnn_exporters.capture.reference import run_module
from edgecnn_exporters.capture.torch_export import capture
from edgecnn_exporters.passes import canonicalise
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.graph.qdq import write_qdq
from edgecnn_exporters.quantise.integer_forms import prepare
from edgecnn_exporters.quantise.trainable.network import TrainableNetwork
from edgecnn_exporters.quantise.trainable.parameters import key_of, name_of
from edgecnn_runtime.image.preprocess import preprocess
from edgecnn_runtime.parity.difference import difference

RANDOM = np.random.default_rng(3)
WEIGHTS = {
    "w3": RANDOM.standard_normal((6, 6, 1, 1)).astype(np.float32),
    "w5": RANDOM.standard_normal((5, 6)).astype(np.float32),
    "b5": RANDOM.standard_normal(5).astype(np.float32),
}
# A join of values that share an encoding, a sum, a clip, a gate and a float tail.
BODY = """[one] a = Conv <pads = [1, 1, 1, 1]> (x, w1, b1) [clip] b = Clip (a, zero, six)
[pool] c = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (b)
[two] d = Conv (c, w3) [add] e = Add (c, d) [gate] f = Sigmoid (e) [mul] g = Mul (e, f)
[mean] h = GlobalAveragePool (g) [flat] i = Flatten (h)
[last] j = Gemm <transB = 1> (i, w5, b5) [tail] y = Softmax (j)"""
SHARED = ("b", "c")


@pytest.fixture(scope="module")
def small():  # type: ignore[no-untyped-def]
    model = network(BODY, WEIGHTS, answers="float[N, K] y")
    return model, *quantised(model, inputs(16, 3, 8, 8))


def as_written(model, plan, numbers, x: np.ndarray, name: str = "y") -> np.ndarray:  # type: ignore[no-untyped-def]
    return ValueProbe(write_qdq(model, plan, numbers), [name]).run(x)[name]


def train_a_little(trained: TrainableNetwork, steps: int = 20) -> None:
    """Towards random targets: what matters is that everything moves."""
    x, targets = torch.from_numpy(inputs(16, 3, 8, 8)), torch.rand(16, 5)
    optimiser = torch.optim.Adam([p for p in trained.parameters() if p.requires_grad], 0.02)
    for _ in range(steps):
        optimiser.zero_grad()
        (trained(x) - targets).square().mean().backward()
        optimiser.step()


def test_the_forward_pass_is_that_of_the_graph_as_written(small) -> None:  # type: ignore[no-untyped-def]
    x = inputs(32, 3, 8, 8, seed=4)
    with torch.no_grad():
        found = TrainableNetwork(*small).eval()(torch.from_numpy(x)).numpy()
    assert difference([(as_written(*small, x), found)]).sqnr_db > 60


def test_untrained_the_numbers_are_those_that_it_began_with(small) -> None:  # type: ignore[no-untyped-def]
    _, _, numbers = small
    found = TrainableNetwork(*small).numbers()
    assert found.activations == numbers.activations
    for name, weight in numbers.weights.items():
        np.testing.assert_array_equal(found.weights[name].integers, weight.integers)
        np.testing.assert_array_equal(found.weights[name].scale, weight.scale)


def test_the_numbers_of_a_trained_network_are_those_of_its_forward_pass(small) -> None:  # type: ignore[no-untyped-def]
    model, plan, begin = small
    torch.manual_seed(0)
    trained = TrainableNetwork(*small)
    train_a_little(trained)
    numbers = trained.eval().numbers()
    moved = {n for n, each in numbers.activations.items() if each != begin.activations[n]}
    assert moved >= {"x", "d", "e", "g", "h"}, "b may not grow beyond its clip"
    assert numbers.activations["f"] == begin.activations["f"], "a function prescribes Sigmoid's"
    moved = [
        (numbers.weights[n].integers != begin.weights[n].integers).mean() for n in begin.weights
    ]
    assert min(moved) > 0.1
    x = inputs(32, 3, 8, 8, seed=4)
    with torch.no_grad():
        found = trained(torch.from_numpy(x)).numpy()
    assert difference([(as_written(model, plan, numbers, x), found)]).sqnr_db > 60


def test_the_scales_of_a_trained_sum_make_no_ties(small) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    trained = TrainableNetwork(*small)
    train_a_little(trained)
    scales = {name: each.scale for name, each in trained.numbers().activations.items()}
    parts = scales["d"] / scales["e"] * 1023
    assert parts == pytest.approx(round(parts), abs=1e-3)


def test_values_that_share_an_encoding_share_one_parameter(small) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    trained = TrainableNetwork(*small)
    assert sum(key_of(name) in trained.scales for name in SHARED) == 1
    train_a_little(trained)
    encodings = trained.numbers().activations
    assert encodings[SHARED[0]] == encodings[SHARED[1]]


def test_a_part_of_the_network_runs_from_values_in_memory(small) -> None:  # type: ignore[no-untyped-def]
    trained = TrainableNetwork(*small).eval()
    x = torch.from_numpy(inputs())
    whole = trained.run({"x": x}, ["c", "d", "e"])
    part = trained.run({"c": whole["c"], "d": whole["d"]}, ["e"])
    torch.testing.assert_close(part["e"], whole["e"])
    with pytest.raises(KeyError):
        trained.run({"d": whole["d"]}, ["e"])


def test_the_rounding_of_single_values_is_switched_off(small) -> None:  # type: ignore[no-untyped-def]
    _, _, numbers = small
    trained = TrainableNetwork(*small).eval()
    x = torch.from_numpy(inputs())
    rounded, free = (
        trained.run({"x": x}, ["e"], unrounded=names)["e"] / numbers.activations["e"].scale
        for names in ((), ("e",))
    )
    assert (rounded - rounded.round()).abs().max() < 1e-3
    assert (free - free.round()).abs().max() > 0.4


def test_dropped_roundings_are_as_many_as_asked_for(small) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    trained = TrainableNetwork(*small).eval()
    x = torch.from_numpy(inputs(16, 3, 8, 8))
    given = trained.run({"x": x}, ["c", "d"])
    rounded, free = (trained.run(given, ["e"], unrounded=names)["e"] for names in ((), ("e",)))
    dropped = trained.run(given, ["e"], drop=0.3)["e"]
    assert ((dropped == rounded) | (dropped == free)).all()
    share = (dropped == free)[rounded != free].float().mean().item()
    assert share == pytest.approx(0.3, abs=0.03)


def test_weights_rounded_by_other_rules_are_where_a_training_begins(small) -> None:  # type: ignore[no-untyped-def]
    model, plan, numbers = small
    rounded = numbers.weights["two"]
    rounded.integers[0, 0] += np.int8(1 if rounded.integers[0, 0] < 127 else -1)
    found = TrainableNetwork(model, plan, numbers).numbers()
    np.testing.assert_array_equal(found.weights["two"].integers, rounded.integers)


@pytest.mark.parametrize("name", ["features.0.weight", "a%2Eb", "keys", "", "0"])
def test_any_name_is_a_key(name: str) -> None:
    assert name_of(key_of(name)) == name
    modules = torch.nn.ModuleDict({key_of(name): torch.nn.Identity()})
    assert len(modules) == 1


def zoo(checkpoint: str):  # type: ignore[no-untyped-def]
    """A trained network in forms that can be quantised, and inputs for it."""
    name, data = checkpoint.split("-")
    built = build_network(resolve(name), NetworkOptions(weights=data, quiet=True))
    assert built.preprocess is not None
    x = np.concatenate([preprocess(image, built.preprocess) for image in example_images(24)])
    reference = run_module(built.module, [x[:2], x[:3]])
    model = capture(built.module, reference, batch=None, opset=18).model
    canonicalise(model)
    prepare(model)
    return model, x


@pytest.mark.parametrize(
    "checkpoint",
    [
        "resnet20-cifar10",
        *(
            pytest.param(f"{name}-cifar10", marks=pytest.mark.matrix)
            for name in (
                *("mobilenet_v3_small", "efficientnet_b0", "googlenet", "densenet40"),
                *("alexnet", "mobilenet_v1", "mobilenet_v2", "vgg11_bn"),
            )
        ),
    ],
)
def test_a_trained_network_of_the_zoo_answers_as_onnx_runtime_does(checkpoint: str) -> None:
    """A few values fall on the other side of a rounding: sums are added up in another order."""
    model, x = zoo(checkpoint)
    plan, numbers = quantised(model, x)
    found = TrainableNetwork(model, plan, numbers).eval()
    # What each node makes of values that are equal: else flips of the first layers reach the last.
    written = write_qdq(model, plan, numbers)
    names = [name for name in numbers.activations if name in found._made_of_integers]
    probe = ValueProbe(written, [f"{name}.dequantised" for name in names])
    values = dict(zip(names, map(torch.from_numpy, probe.run(x).values()), strict=True))
    values[found.inputs[0]] = torch.from_numpy(x)
    flips = count = 0
    with torch.no_grad():
        for name in names:
            given = {key: value for key, value in values.items() if key != name}
            own = found.run(given, [name])[name]
            steps = (own - values[name]).abs() / numbers.activations[name].scale
            assert steps.max() < 1.01
            flips, count = flips + int((steps > 0.5).sum()), count + steps.numel()
        (output,) = found.run({found.inputs[0]: values[found.inputs[0]]}, found.outputs).values()
    assert flips / count < 1e-4
    expected = ValueProbe(written).run(x)[found.outputs[0]]
    assert difference([(expected, output.numpy())]).sqnr_db > 40
