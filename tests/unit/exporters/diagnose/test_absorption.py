"""A bias that moved into the next layer is followed; one that is merely wrong is not."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from unit.exporters.diagnose.support import chain

from edgecnn_exporters.diagnose.absorption import absorb_alike
from edgecnn_exporters.quantise.graph.chains import Pair, neighbours

SURPLUS = np.array([0.5, 0.0], np.float32)


def numbers(model: ir.Model, name: str) -> np.ndarray:
    value = model.graph.initializers[name].const_value
    assert value is not None
    return value.numpy()


def change(model: ir.Model, name: str, array: np.ndarray) -> None:
    model.graph.initializers[name].const_value = ir.tensor(array.astype(np.float32), name=name)


def follow(reference: ir.Model, candidate: ir.Model) -> tuple[str, ...]:
    pairs = [p for p in neighbours(reference.graph, lambda node: None) if isinstance(p, Pair)]
    theirs = {str(node.name): node for node in candidate.graph}
    return absorb_alike(reference.graph, pairs, theirs)


def test_a_surplus_that_the_next_layer_took_over_is_followed() -> None:
    reference, candidate = chain(), chain()
    change(candidate, "b", numbers(candidate, "b") - SURPLUS)
    change(candidate, "c", numbers(candidate, "c") + numbers(candidate, "v") @ SURPLUS)
    assert follow(reference, candidate) == ("conv",)
    for name in ("b", "c"):
        np.testing.assert_allclose(numbers(reference, name), numbers(candidate, name), rtol=1e-5)


def test_a_bias_that_is_merely_lower_is_left_alone() -> None:
    reference, candidate = chain(), chain()
    change(candidate, "b", numbers(candidate, "b") - SURPLUS)
    assert follow(reference, candidate) == ()
    np.testing.assert_array_equal(numbers(reference, "b"), numbers(chain(), "b"))
