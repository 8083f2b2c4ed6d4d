from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.quantise.calibrate.ranges import weight_of
from edgecnn_exporters.quantise.graph.probe import ValueProbe
from edgecnn_exporters.quantise.steps.error_feedback import round_weight
from edgecnn_exporters.quantise.steps.second_moments import places_of, second_moments
from edgecnn_runtime.encoding import QuantisedWeight, quantise_weight, weight_scales

LAYERS = {
    "pointwise": ("Conv (x, w4)", (6, 6, 1, 1)),
    "padded": ("Conv <pads = [1, 0, 2, 1]> (x, w4)", (5, 6, 3, 2)),
    "strided": ("Conv <strides = [2, 1], dilations = [1, 2]> (x, w4)", (5, 6, 2, 3)),
    "depthwise": ("Conv <group = 6, pads = [1, 1, 1, 1]> (x, w4)", (6, 1, 3, 3)),
    "grouped": ("Conv <group = 2> (x, w4)", (4, 3, 3, 3)),
}


def layer(body: str, weight: np.ndarray) -> tuple[ir.Model, ir.Node]:
    model = network(f"[one] y = {body}", {"w4": weight}, reads="float[N, 6, 8, 8] x")
    (node,) = model.graph
    return model, node


def weights(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def images(count: int, seed: int = 0) -> list[np.ndarray]:
    """Neighbours and channels that are alike, as in photographs."""
    noise = (
        np.random.default_rng(seed)
        .standard_normal((count, 1, 6, 8, 8))
        .cumsum(axis=3)
        .cumsum(axis=4)
    )
    return list((noise + 3 * noise[:, :, :1]).astype(np.float32))


def nearest(node: ir.Node, bits: int) -> QuantisedWeight:
    weight = weight_of(node)
    return quantise_weight(weight, weight_scales(weight, 0, bits), 0, bits)


@pytest.mark.parametrize("kind", LAYERS)
def test_patches_times_weights_are_the_layers_output(kind: str) -> None:
    body, shape = LAYERS[kind]
    model, node = layer(body, weights(*shape))
    (sample,) = images(1)
    (output,) = ValueProbe(model).run(sample).values()
    patches = places_of(node, sample.shape).patches(sample)
    rows = weight_of(node).reshape(len(patches), -1, patches.shape[1])
    np.testing.assert_allclose(
        (rows @ patches).reshape(output.shape), output, rtol=1e-4, atol=1e-4 * np.abs(output).max()
    )


@pytest.mark.parametrize("kind", LAYERS)
def test_the_output_comes_nearer_where_inputs_are_alike(kind: str) -> None:
    body, shape = LAYERS[kind]
    model, node = layer(body, weights(*shape))
    samples, others = images(32), images(8, seed=1)
    moments = second_moments(model, [node], samples)[str(node.name)]
    before = nearest(node, 4)
    after = round_weight(node, before, moments, 4)
    np.testing.assert_array_equal(after.scale, before.scale)
    assert np.abs(after.integers).max() <= 7
    errors = []
    for each in (before, after):
        wrong, _ = layer(body, each.dequantise())
        pairs = zip(ValueProbe(model).stream(others), ValueProbe(wrong).stream(others), strict=True)
        errors.append(sum(float(np.square(a["y"] - b["y"]).sum()) for a, b in pairs))
    assert errors[1] < 0.8 * errors[0]


def test_inputs_that_have_nothing_in_common_leave_the_nearest_integers() -> None:
    _, node = layer(LAYERS["pointwise"][0], weights(6, 6, 1, 1))
    before = nearest(node, 8)
    after = round_weight(node, before, [np.eye(6, dtype=np.float32)[None]])
    np.testing.assert_array_equal(after.integers, before.integers)


def test_inputs_that_are_always_zero_do_no_harm() -> None:
    model, node = layer(LAYERS["padded"][0], weights(5, 6, 3, 2))
    moments = second_moments(model, [node], [np.zeros((1, 6, 8, 8), np.float32)] * 4)
    before = nearest(node, 8)
    after = round_weight(node, before, moments[str(node.name)])
    np.testing.assert_array_equal(after.integers, before.integers)


def test_more_weights_than_a_block_are_rounded_block_by_block() -> None:
    weight = weights(4, 700)
    model = network(
        "[one] y = Gemm <transB = 1> (x, w2)",
        {"w2": weight},
        reads="float[N, 700] x",
        answers="float[N, K] y",
    )
    (node,) = model.graph
    random = np.random.default_rng(1)
    shared = random.standard_normal((64, 1, 1)) + 0.2 * random.standard_normal((64, 1, 700))
    samples = list(shared.astype(np.float32))
    moments = second_moments(model, [node], samples)[str(node.name)]
    assert [each.shape for each in moments] == [(1, 512, 512), (1, 188, 188)]
    before = nearest(node, 4)
    after = round_weight(node, before, moments, 4)
    errors = [
        np.square(np.concatenate(samples) @ (each.dequantise() - weight).T).sum()
        for each in (before, after)
    ]
    assert errors[1] < errors[0] / 4
