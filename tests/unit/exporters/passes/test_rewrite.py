"""The driver of rewrite passes, with a rule of its own."""

from __future__ import annotations

import onnx
import onnx.parser
import onnx_ir as ir
import pytest

from edgecnn_exporters.passes import PassStage, canonicalise
from edgecnn_exporters.passes.dropout import RemoveDropout
from edgecnn_exporters.passes.graph import is_operator, replace_node, take_out
from edgecnn_exporters.passes.rewrite import (
    LeftAlone,
    Refusal,
    RewriteResult,
    RewriteRule,
    apply_rules,
)


def parse(body: str, outputs: str = "float[N, 3] y") -> ir.Model:
    proto = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["": 18]> g (float[N, 3] x) => ({outputs}) {{ {body} }}'
    )
    return ir.from_proto(onnx.shape_inference.infer_shapes(proto))


def operators(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def match_negation(node: ir.Node) -> ir.Node | Refusal | None:
    """A Neg behind a Neg; one behind anything else is refused."""
    if not is_operator(node, "Neg"):
        return None
    before = node.inputs[0].producer() if node.inputs[0] is not None else None
    return node if before is not None and before.op_type == "Neg" else Refusal("it stands alone")


def to_identity(graph: ir.Graph, node: ir.Node) -> None:
    inner = node.inputs[0]
    assert inner is not None
    before = inner.producer()
    assert before is not None
    replace_node(graph, node, ir.node("Identity", [before.inputs[0]]))
    graph.remove(before, safe=True)


def test_what_a_rewrite_makes_is_what_the_next_node_reads() -> None:
    model = parse("[a] a = Neg (x) [b] b = Neg (a) [c] c = Neg (b) [d] y = Neg (c)")
    result = apply_rules(model, RewriteRule(match_negation, to_identity))
    # c follows what became of a and b, an Identity.
    assert operators(model) == ["Identity", "Identity"]
    assert result.modified
    assert result.refusals == ()


def test_from_the_end_the_last_node_chooses_first() -> None:
    model = parse("[a] a = Neg (x) [b] b = Neg (a) [c] y = Neg (b)")
    result = apply_rules(model, RewriteRule(match_negation, to_identity), from_end=True)
    assert operators(model) == ["Neg", "Identity"]
    ((node, refusal),) = result.refusals
    assert (node.name, refusal.reason) == ("a", "it stands alone")


def test_a_refusal_is_no_change_and_names_its_node() -> None:
    model = parse("[a] a = Neg (x) [b] b = Relu (a) [c] y = Neg (b)")
    result = apply_rules(model, RewriteRule(match_negation, to_identity))
    assert not result.modified
    assert operators(model) == ["Neg", "Relu", "Neg"]
    assert [node.name for node, _ in result.refusals] == ["a", "c"]


def test_a_node_that_a_later_rule_removes_is_not_refused() -> None:
    def match_any_negation(node: ir.Node) -> ir.Node | None:
        return node if is_operator(node, "Neg") else None

    model = parse("[r] r = Relu (x) [a] a = Neg (r) [s] y = Relu (a)")
    result = apply_rules(
        model, RewriteRule(match_negation, to_identity), RewriteRule(match_any_negation, take_out)
    )
    assert operators(model) == ["Relu", "Relu"]
    assert result.modified
    assert result.refusals == ()


def test_two_dropouts_between_an_input_and_an_output_leave_one() -> None:
    model = parse("a = Dropout (x) [last] y = Dropout (a)")
    result = RemoveDropout()(model)
    assert operators(model) == ["Dropout"]
    assert (model.graph.inputs[0].name, model.graph.outputs[0].name) == ("x", "y")
    assert isinstance(result, RewriteResult)
    assert [refusal.reason for _, refusal in result.refusals] == [
        "it leads straight from an input to an output"
    ]


def test_the_pipeline_reports_refusals_of_the_last_round_by_pass_and_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class PairNegations(ir.passes.InPlacePass):
        def call(self, model: ir.Model) -> ir.passes.PassResult:
            return apply_rules(model, RewriteRule(match_negation, to_identity))

    class RemoveRelu(ir.passes.InPlacePass):
        def call(self, model: ir.Model) -> ir.passes.PassResult:
            return apply_rules(
                model,
                RewriteRule(lambda node: node if is_operator(node, "Relu") else None, take_out),
            )

    stage = PassStage((PairNegations, RemoveRelu), rounds=9)
    monkeypatch.setattr("edgecnn_exporters.passes.PIPELINE", (stage,))
    # b is refused until the Relu between is gone; c is refused for good.
    model = parse("[a] a = Neg (x) r = Relu (a) [b] b = Neg (r) s = Exp (b) [c] y = Neg (s)")
    report = canonicalise(model)
    assert report.changed == ("RemoveRelu", "PairNegations")
    assert report.left_alone == (LeftAlone("c", "PairNegations", "it stands alone"),)
