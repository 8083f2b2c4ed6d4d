"""What is left in float is computed in float, whatever the runtime optimises."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from unit.exporters.quantise.chain_support import network

from edgecnn_exporters.capture.reference import to_bytes
from edgecnn_exporters.passes.graph import is_operator
from edgecnn_exporters.quantise.calibrate.held_out import Division
from edgecnn_exporters.quantise.config import QuantConfig
from edgecnn_exporters.quantise.graph.plan import make_plan
from edgecnn_exporters.quantise.graph.real import reader_between_integers
from edgecnn_exporters.quantise.judges import make_judges
from edgecnn_exporters.quantise.state import Bench
from edgecnn_runtime.progress import no_progress

RANDOM = np.random.default_rng(0)
SAMPLES = list(RANDOM.standard_normal((8, 1, 3, 8, 8)).astype(np.float32))
# Channels of very different weights: a single scale for all of them leaves nothing of the small.
SIZES = np.geomspace(1e-3, 10, 8).astype(np.float32)
WEIGHTS = {
    "w3": RANDOM.standard_normal((8, 3, 3, 3)).astype(np.float32),
    "w4": (RANDOM.standard_normal((8, 8, 1, 1)) * SIZES[:, None, None, None]).astype(np.float32),
    "w5": (RANDOM.standard_normal((6, 8, 1, 1)) / SIZES[None, :, None, None]).astype(np.float32),
}


def mixed(clamp: str) -> ir.Model:
    """Three convolutions of which the second stays float."""
    body = f"""[one] a = Conv <pads = [1, 1, 1, 1]> (x, w3) [relu] b = Relu (a)
    [two] c = Conv (b, w4) {clamp} [three] y = Conv (d, w5)"""
    model = network(body, WEIGHTS)
    judges = make_judges(model, Division(SAMPLES, SAMPLES))
    bench = Bench(QuantConfig(), SAMPLES, judges, no_progress)
    plan = make_plan(model.graph, ["two"])
    return bench.build(model, plan, bench.calibrate(model, plan), "min-max").qdq


def answer(model: ir.Model, level: onnxruntime.GraphOptimizationLevel) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(to_bytes(model), options)
    return session.run(None, {"x": np.concatenate(SAMPLES)})[0]


@pytest.mark.parametrize(
    "clamp", ["[act] d = Relu (c)", "[act] d = Clip (c, zero, six)", "[act] d = Identity (c)"]
)
def test_onnx_runtime_computes_it_optimised_as_it_does_without(clamp: str) -> None:
    model = mixed(clamp)
    plain = answer(model, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)
    optimised = answer(model, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL)
    noise = np.square(optimised - plain).sum() / np.square(plain - plain.mean()).sum()
    # A real between two integers may fall to either; another weight costs far more.
    assert noise < 10**-3.5
    assert not any(map(reader_between_integers, model.graph))


def test_what_is_computed_in_integers_stays_as_it_is() -> None:
    found = mixed("[act] d = Relu (c)")
    names = [str(node.name) for node in found.graph if is_operator(node, "LeakyRelu")]
    assert names == ["c.real"]
