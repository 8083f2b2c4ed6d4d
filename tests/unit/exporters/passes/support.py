"""Test harness of the passes: hand-written ONNX text in, the checked result of a pass out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx.checker
import onnx.parser
import onnx_ir as ir
import onnxruntime
from onnx.reference import ReferenceEvaluator


@dataclass(frozen=True)
class Outcome:
    """The model after the pass, already checked to be valid and to compute the same."""

    model: ir.Model
    modified: bool

    @property
    def operators(self) -> list[str]:
        return [node.op_type for node in self.model.graph]


Arrays = list[np.ndarray]


def by_reference(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> Arrays:
    """What ONNX's own evaluator answers."""
    return ReferenceEvaluator(model).run(None, feeds)


def by_onnxruntime(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> Arrays:
    """What ONNX Runtime answers, for operators that the reference computes wrongly."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, feeds)


def apply(
    make: Callable[[], ir.passes.InPlacePass],
    graph: str,
    *,
    opset: int = 18,
    seed: int = 0,
    evaluate: Callable[[onnx.ModelProto, dict[str, np.ndarray]], Arrays] = by_reference,
) -> Outcome:
    """Parse the graph, apply the pass, and compare what it answers before and after.

    Shapes are inferred first, as in the pipeline.
    """
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]>\n{graph}')
    onnx.checker.check_model(proto, full_check=True)
    model = ir.from_proto(onnx.shape_inference.infer_shapes(proto))
    result = make()(model)
    after = ir.to_proto(model)
    onnx.checker.check_model(after, full_check=True)
    feeds = _feeds(proto, seed)
    before_outputs = evaluate(proto, feeds)
    after_outputs = evaluate(after, feeds)
    for expected, found in zip(before_outputs, after_outputs, strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-6)
    assert [o.name for o in after.graph.output] == [o.name for o in proto.graph.output]
    again = make()(model)
    assert not again.modified, "a second time there must be nothing left to do"
    return Outcome(model, bool(result.modified))


def _feeds(proto: onnx.ModelProto, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    feeds = {}
    for value in proto.graph.input:
        shape = [d.dim_value or 2 for d in value.type.tensor_type.shape.dim]
        feeds[value.name] = (8 * random.standard_normal(shape)).astype(np.float32)
    return feeds
