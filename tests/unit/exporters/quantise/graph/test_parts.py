from __future__ import annotations

import numpy as np
from unit.exporters.quantise.chain_support import FIRST, SECOND, inputs, network

from edgecnn_exporters.passes.graph import set_constant
from edgecnn_exporters.quantise.graph.parts import Parts
from edgecnn_exporters.quantise.graph.probe import ValueProbe


def test_a_part_computes_what_the_whole_does() -> None:
    model = network(f"{FIRST} b = Relu (a) c = Clip (b, zero, six) {SECOND.replace('(b', '(c')}")
    whole = ValueProbe(model, ["a", "c", "y"]).run(inputs())
    part = ValueProbe(Parts(model).cut(["a"], "c"))
    found = part.run_all({"a": whole["a"]})
    assert list(found) == ["c"]
    np.testing.assert_array_equal(found["c"], whole["c"])
    last = Parts(model).cut(["c"], "y")
    assert [each.op_type for each in last.graph.node] == ["Conv"]
    np.testing.assert_allclose(ValueProbe(last).run(whole["c"])["y"], whole["y"], rtol=1e-5)


def test_a_part_of_two_branches_holds_both_in_the_graphs_order() -> None:
    model = network(f"{FIRST} b = Relu (a) n = Neg (a) d = Add (b, n) {SECOND.replace('(b', '(d')}")
    part = Parts(model).cut(["a"], "d")
    assert [each.op_type for each in part.graph.node] == ["Relu", "Neg", "Add"]


def test_a_constant_that_changes_is_cut_as_it_is_then() -> None:
    model = network(f"{FIRST} b = Relu (a) {SECOND}")
    parts, x = Parts(model), inputs(1, 6, 8, 8)
    before = ValueProbe(parts.cut(["b"], "y")).run(x)["y"]
    conv = model.graph[-1]
    set_constant(model.graph, conv, 2, np.full(5, 7, np.float32), "bias")
    after = ValueProbe(parts.cut(["b"], "y")).run(x)["y"]
    plain = Parts(network(f"{FIRST} b = Relu (a) [second] y = Conv (b, w2)"))
    expected = ValueProbe(plain.cut(["b"], "y")).run(x)["y"] + 7
    np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert np.abs(after - before).max() > 1
