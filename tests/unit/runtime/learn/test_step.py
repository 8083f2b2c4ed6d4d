from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from learning_bundles import (
    CHANNELS,
    CLASSES,
    DROPPED,
    Recipe,
    features_of,
    head_gradient,
    learning_contents,
    parse,
    pictures,
    weights,
)

from edgecnn_runtime.arrays import Array
from edgecnn_runtime.errors import EngineError, LearningFailed, ManifestInvalid
from edgecnn_runtime.learn.random_inputs import uniform
from edgecnn_runtime.learn.step import TrainingStep
from edgecnn_runtime.training import STEP


def opened(
    recipe: Recipe, values: Mapping[str, Array] | None = None, seed: int = 0
) -> TrainingStep:
    manifest, files = learning_contents(recipe)
    start = {name: weights()[name] for name in ("head.weight", "head.bias")}
    return TrainingStep(files["model.train.onnx"], manifest, values or start, seed=seed)


def batches(count: int = 4) -> list[tuple[Array, Array]]:
    return [pictures(5, seed=20 + number) for number in range(count)]


def learn(step: TrainingStep, count: int = 4, rate: float = 0.2) -> list[float]:
    return [step.run({"input": x}, y, rate).loss for x, y in batches(count)]


@pytest.mark.parametrize("recipe", [Recipe(), Recipe("adam"), Recipe(momentum=0.5)])
def test_steps_are_those_of_pytorch(recipe: Recipe) -> None:
    head = torch.nn.Linear(CHANNELS, CLASSES, dtype=torch.float64)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weights()["head.weight"]))
        head.bias.copy_(torch.from_numpy(weights()["head.bias"]))
    optimiser: torch.optim.Optimizer = (
        torch.optim.Adam(head.parameters(), 0.2, weight_decay=recipe.weight_decay)
        if recipe.optimiser == "adam"
        else torch.optim.SGD(head.parameters(), 0.2, recipe.momentum, 0, recipe.weight_decay)
    )
    expected = []
    for images, labels in batches():
        logits = head(torch.from_numpy(features_of(images, weights())))
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        expected.append(loss.item())
    step = opened(recipe)
    np.testing.assert_allclose(learn(step), expected, rtol=1e-5)
    for name, parameter in head.named_parameters():
        after = step.values()[f"head.{name}"]
        np.testing.assert_allclose(after, parameter.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert step.steps == 4


def test_a_step_tells_the_norm_of_the_gradient_and_the_ranges() -> None:
    images, labels = pictures(5)
    result = opened(Recipe()).run({"input": images}, labels, 0.1)
    values = weights()
    features = features_of(images, values)
    loss, *gradients = head_gradient(features, labels, values["head.weight"], values["head.bias"])
    logits = features @ values["head.weight"].T + values["head.bias"]
    assert result.loss == pytest.approx(loss, rel=1e-5)
    norm = np.linalg.norm(np.concatenate([each.ravel() for each in gradients]))
    assert result.gradient_norm == pytest.approx(norm, rel=1e-5)
    seen = result.ranges["logits"]
    assert (seen.low, seen.high) == pytest.approx((logits.min(), logits.max()), rel=1e-5)


def test_a_step_drops_what_the_seed_and_the_number_of_the_step_say() -> None:
    step = opened(Recipe(is_dropped=True), seed=3)
    images, labels = pictures(5)
    step.run({"input": images}, labels, 0.0)
    second = step.run({"input": images}, labels, 0.0)
    kept = uniform(3, 1, 0, (5, CHANNELS)) >= DROPPED
    values = weights()
    features = features_of(images, values) * kept / (1 - DROPPED)
    loss, *_ = head_gradient(features, labels, values["head.weight"], values["head.bias"])
    assert second.loss == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("recipe", [Recipe(is_dropped=True), Recipe("adam", is_dropped=True)])
def test_a_run_that_goes_on_later_is_the_same_bit_by_bit(recipe: Recipe) -> None:
    whole = opened(recipe, seed=5)
    learn(whole)
    first = opened(recipe, seed=5)
    for images, labels in batches()[:2]:
        first.run({"input": images}, labels, 0.2)
    second = opened(recipe, first.values(), seed=5)
    for images, labels in batches()[2:]:
        second.run({"input": images}, labels, 0.2)
    assert whole.values().keys() == second.values().keys()
    for name, array in whole.values().items():
        np.testing.assert_array_equal(second.values()[name], array, err_msg=name)


def test_a_step_without_a_finite_result_changes_nothing() -> None:
    step = opened(Recipe())
    learn(step, 2)
    before = step.values()
    images, labels = pictures(5)
    with pytest.raises(LearningFailed, match=r"weights are as before .* smaller learning_rate"):
        step.run({"input": images * np.float32(np.nan)}, labels, 0.1)
    with pytest.raises(LearningFailed, match="a weight would no longer be finite"):
        step.run({"input": images * np.float32(1e3)}, labels, 3e38)
    assert step.steps == 2
    for name, array in before.items():
        np.testing.assert_array_equal(step.values()[name], array)
    one = step.run({"input": images}, labels, 0.1)
    again = opened(Recipe(), before)
    assert again.run({"input": images}, labels, 0.1).loss == one.loss


def test_values_are_copies() -> None:
    step = opened(Recipe())
    step.values()["head.bias"][:] = 7
    start = {name: weights()[name] for name in ("head.weight", "head.bias")}
    mine = {name: array.copy() for name, array in start.items()}
    other = opened(Recipe(), mine)
    learn(other)
    np.testing.assert_array_equal(mine["head.bias"], start["head.bias"])
    np.testing.assert_array_equal(step.values()["head.bias"], start["head.bias"])


def test_a_graph_of_another_optimiser_is_refused() -> None:
    manifest, _ = learning_contents(Recipe())
    _, files = learning_contents(Recipe("adam"))
    with pytest.raises(ManifestInvalid, match=r"input None, the manifest says head\.weight\.mom"):
        TrainingStep(files["model.train.onnx"], manifest, weights())
    adam, _ = learning_contents(Recipe("adam"))
    _, dropped = learning_contents(Recipe("adam", is_dropped=True))
    with pytest.raises(ManifestInvalid, match=r"features\.random', which the manifest does not"):
        TrainingStep(dropped["model.train.onnx"], adam, weights())


def test_a_closed_step_refuses_to_learn_and_keeps_its_values() -> None:
    step = opened(Recipe())
    learn(step, 1)
    step.close()
    step.close()
    with pytest.raises(EngineError, match="closed"):
        learn(step, 1)
    assert step.values()[STEP] == 1


def test_random_numbers_are_uniform_and_fixed() -> None:
    numbers = uniform(0, 0, 0, (1000, 101))
    assert numbers.dtype == np.float32
    assert 0 <= numbers.min() < numbers.max() < 1
    np.testing.assert_allclose(np.histogram(numbers, 10, (0, 1))[0] / numbers.size, 0.1, atol=0.005)
    # Philox4x64-10 of key (0, 0) and counter (1, 0, 0, 0), as numpy counts before it draws: the
    # low and high halves of its first word, of which the 24 leading bits count.
    word = int(np.random.Philox(key=0).random_raw())
    halves = [(word & 0xFFFFFFFF) >> 8, word >> 40]
    assert numbers[0, :2].tolist() == [half / 2**24 for half in halves]
    different = [uniform(1, 0, 0, (4,)), uniform(0, 1, 0, (4,)), uniform(0, 0, 1, (4,))]
    assert len({tuple(each) for each in (numbers[0, :4], *different)}) == 4


LARGER = """
<ir_version: 8, opset_import: ["" : 18]>
training (float[N, 3, 6, 6] input, int64[N] learn.labels, float learn.rate, float[C] head.bias)
=> (float learn.loss, float learn.gradient_norm, float[D] head.bias.next) {
    learn.loss = Identity (learn.rate)
    learn.gradient_norm = Identity (learn.rate)
    read = ReduceSum <keepdims = 0> (input)
    counted = Cast <to = 1> (learn.labels)
    head.bias.next = Concat <axis = 0> (head.bias, head.bias)
}
"""


def test_a_graph_that_writes_more_than_its_parameter_fails_and_writes_nothing() -> None:
    manifest, _ = learning_contents()
    assert manifest.training is not None
    training = replace(
        manifest.training, momentum=0.0, state=(), ranges=(), head=None, weight_decay=0.0
    )
    parameters = tuple(spec for spec in manifest.parameters if spec.name == "head.bias")
    manifest = replace(manifest, parameters=parameters, training=training)
    step = TrainingStep(parse(LARGER, {}), manifest, weights())
    images, labels = pictures(2)
    with pytest.raises(EngineError, match="onnxruntime failed"):
        step.run({"input": images}, labels, 0.1)
    np.testing.assert_array_equal(step.values()["head.bias"], weights()["head.bias"])
    assert step.steps == 0
