"""Test harness of the integer forms: hand-written ONNX text in, the checked rewrite out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx.checker
import onnx.parser
import onnx_ir as ir
from unit.exporters.passes.support import by_onnxruntime

# Of the largest number of an output, in float32: a few roundings, and no more.
TOLERANCE = 1e-6
# Where HardSigmoid and HardSwish bend, at alphas and betas in use, and beside.
KINKS = np.array([-3, -2.5, 0, 2.5, 3], np.float32)


@dataclass(frozen=True)
class Rewritten:
    """The model afterwards, already checked to be valid and to compute the same."""

    model: ir.Model
    modified: bool

    @property
    def operators(self) -> list[str]:
        return [node.op_type for node in self.model.graph]

    def initialiser(self, name: str) -> np.ndarray:
        tensor = self.model.graph.initializers[name].const_value
        assert tensor is not None
        return tensor.numpy()


def parse(graph: str, opset: int = 18) -> onnx.ModelProto:
    """As a canonical graph: shapes are noted, and a node without a name is called as its value."""
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}]>\n{graph}')
    onnx.checker.check_model(proto, full_check=True)
    for node in proto.graph.node:
        node.name = node.name or node.output[0]
    return onnx.shape_inference.infer_shapes(proto)


def rewrite(make: Callable[[], ir.passes.InPlacePass], graph: str, *, opset: int = 18) -> Rewritten:
    """Parse the graph, apply the pass, and compare what it answers before and after."""
    proto = parse(graph, opset)
    model = ir.from_proto(proto)
    result = make()(model)
    assert_same(proto, model)
    again = make()(model)
    assert not again.modified, "a second time there must be nothing left to do"
    return Rewritten(model, bool(result.modified))


def assert_same(before: onnx.ModelProto, model: ir.Model) -> None:
    """The model is valid, its noted shapes are true, and it answers what `before` does."""
    after = ir.to_proto(model)
    # Inferred shapes that disagree with those noted would be refused.
    onnx.checker.check_model(after, full_check=True)
    assert all(value.shape is not None for node in model.graph for value in node.outputs)
    names = [node.name for node in model.graph]
    assert len(names) == len(set(names))
    assert [o.name for o in after.graph.output] == [o.name for o in before.graph.output]
    feeds = _feeds(before)
    expected, found = by_onnxruntime(before, feeds), by_onnxruntime(after, feeds)
    for one, other in zip(expected, found, strict=True):
        assert other.shape == one.shape
        assert np.ptp(one) > 0, "a constant answer tells nothing"
        np.testing.assert_allclose(other, one, rtol=0, atol=TOLERANCE * np.abs(one).max())


def _feeds(proto: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Numbers between and around the kinks, and the kinks."""
    random = np.random.default_rng(0)
    feeds = {}
    beside = [np.nextafter(KINKS, np.float32(side)) for side in (-9, 9)]
    special = np.concatenate([KINKS, *beside, KINKS - np.float32(1e-3), KINKS + np.float32(1e-3)])
    for value in proto.graph.input:
        shape = [d.dim_value or 3 for d in value.type.tensor_type.shape.dim]
        numbers = (3 * random.standard_normal(shape)).astype(np.float32).ravel()
        numbers[: len(special)] = special[: len(numbers)]
        feeds[value.name] = random.permutation(numbers).reshape(shape)
    return feeds
