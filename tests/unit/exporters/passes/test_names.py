from __future__ import annotations

import onnx.checker
import onnx.parser
import onnx_ir as ir
import pytest

from edgecnn_exporters.passes.names import NameBatch, NameNodes
from edgecnn_exporters.passes.shapes import InferShapes

SCOPES = "pkg.torch.onnx.name_scopes"
PADDED_CONV = """g (float[N, 1, 1, 1] x) => (float[N, 1, 1, 1] y)
<float[1,1,1,2] w = {1.0, 2.0}, int64[8] "onnx::Pad_3" = {0, 0, 0, 0, 0, 0, 0, 1}>
{ ["/stem/conv/Pad"] a = Pad (x, "onnx::Pad_3") ["/stem/conv/Conv"] y = Conv (a, w) }"""


def parse(graph: str) -> ir.Model:
    text = f'<ir_version: 8, opset_import: ["": 18]>\n{graph}'
    return ir.from_proto(onnx.parser.parse_model(text))


def named(graph: str, scopes: tuple[str, ...] = ()) -> ir.Model:
    """The graph after the pass; `scopes` are dynamo's notes on the nodes, in order."""
    model = parse(graph)
    for node, noted in zip(model.graph, scopes, strict=False):
        node.metadata_props[SCOPES] = noted
    NameNodes()(model)
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    assert not NameNodes()(model).modified, "a second time there must be nothing left to do"
    return model


def nodes(model: ir.Model) -> list[str | None]:
    return [node.name for node in model.graph]


def values(model: ir.Model) -> list[str | None]:
    return [value.name for node in model.graph for value in node.outputs]


CHAIN = """g (float[N, 3] input) => (float[N, 3] y)
{ [first] a = Relu (input) [second] b = Neg (a) [third] y = Relu (b) }"""


def test_dynamo_notes_name_nodes_and_values() -> None:
    notes = ("['', 'stem', 'stem.act', 'relu']", "['', 'stem', 'neg']", "['', 'relu_1']")
    model = named(CHAIN, notes)
    assert nodes(model) == ["stem.act", "stem.neg", "relu"]
    assert values(model) == ["stem.act", "stem.neg", "y"]


def test_torchscript_names_come_to_the_same() -> None:
    text = CHAIN.replace("first", '"/stem/act/Relu"').replace("second", '"/stem/Neg"')
    assert nodes(named(text.replace("third", '"/Relu"'))) == ["stem.act", "stem.neg", "relu"]


def test_a_module_that_runs_twice_is_numbered() -> None:
    notes = ("['', 'act', 'relu']", "['', 'neg']", "['', 'act', 'relu_1']")
    assert nodes(named(CHAIN, notes)) == ["act", "neg", "act_1"]


def test_a_node_without_a_note_belongs_where_its_readers_do() -> None:
    notes = ("", "['', 'block', 'neg']", "['', 'block', 'block.act', 'relu']")
    assert nodes(named(CHAIN, notes)) == ["block.relu", "block.neg", "block.act"]


@pytest.mark.parametrize("note", ["no list", "{'a': 1}", "['_empty_nn_module_stack_from', 1"])
def test_a_note_that_cannot_be_read_is_none(note: str) -> None:
    assert nodes(named(CHAIN, (note, note, note))) == ["first", "second", "third"]


def test_a_graph_without_module_paths_keeps_all_its_names() -> None:
    text = """g (float[N, 3] x) => (float[N, 2] y) <float[2,3] W = {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}>
    { [first] hidden = Relu (x) [last] y = Gemm <transB = 1> (hidden, W) }"""
    model = named(text)
    assert nodes(model) == ["first", "last"]
    assert values(model) == ["hidden", "y"]
    assert list(model.graph.initializers) == ["W"]


def test_a_parameter_called_as_an_operator_keeps_its_name() -> None:
    model = named(
        """g (float[N, 3] x) => (float[N, 3] y) <float[3] add = {1.0, 2.0, 3.0}>
        { ["/Add"] a = Add (x, add) ["/Relu"] y = Relu (a) }"""
    )
    assert nodes(model) == ["add_1", "relu"]
    assert values(model) == ["add_1", "y"]
    assert list(model.graph.initializers) == ["add"]


def test_a_module_called_as_the_input_leaves_the_input_its_name() -> None:
    text = CHAIN.replace("first", '"/input/Relu"').replace("second", '"/Neg"')
    assert values(named(text.replace("third", '"/Relu"'))) == ["input_1", "neg", "y"]


def test_the_layer_with_the_weight_has_its_modules_name_and_what_pads_for_it_has_not() -> None:
    model = named(PADDED_CONV)
    assert nodes(model) == ["stem.conv.pad", "stem.conv"]


def test_weights_and_what_the_exporter_named_are_called_as_their_reader() -> None:
    assert set(named(PADDED_CONV).graph.initializers) == {"stem.conv.weight", "stem.conv.pad.pads"}


def test_dynamo_parameters_keep_their_names_and_its_constants_do_not() -> None:
    model = parse(
        """g (float[N, 3] x) => (float[N, 3] y)
        <float[3] "block.scale" = {1.0, 2.0, 3.0}, float[3] val_7 = {4.0, 5.0, 6.0}>
        { a = Mul (x, "block.scale") y = Add (a, val_7) }"""
    )
    for node in model.graph:
        node.metadata_props[SCOPES] = "['', 'block', 'x']"
    kind = "pkg.torch.export.graph_signature.InputSpec.kind"
    model.graph.initializers["block.scale"].metadata_props[kind] = "PARAMETER"
    NameNodes()(model)
    assert set(model.graph.initializers) == {"block.scale", "block_1.b"}


def test_a_batch_with_a_name_is_called_n_everywhere() -> None:
    model = parse("g (float[s77, 3, H, W] x) => (float[s77, 3, H, W] y) { y = Relu (x) }")
    assert NameBatch()(model).modified
    for value in (*model.graph.inputs, *model.graph.outputs):
        assert [str(extent) for extent in value.shape] == ["N", "3", "H", "W"]
    assert not NameBatch()(model).modified


def test_of_axes_without_a_name_only_the_batch_is_called_n() -> None:
    model = parse("g (float[?, 3, ?, ?] x) => (float[?, 3, ?, ?] y) { y = Relu (x) }")
    assert NameBatch()(model).modified
    InferShapes()(model)
    for value in (*model.graph.inputs, *model.graph.outputs):
        assert list(value.shape) == [ir.SymbolicDim("N"), 3, None, None]


def test_a_fixed_batch_keeps_its_size() -> None:
    model = parse("g (float[2, 3] x) => (float[2, 3] y) { y = Relu (x) }")
    assert not NameBatch()(model).modified


def test_shapes_that_the_file_notes_falsely_are_inferred_anew() -> None:
    model = parse(
        """g (float[N, 4] x) => (float[M, 2] y) <int64[2] pairs = {-1, 2}>
        { a = Reshape (x, pairs) y = Relu (a) }"""
    )
    reshape, _ = model.graph
    reshape.outputs[0].shape = ir.Shape(["N", 2])
    assert InferShapes()(model).modified
    assert list(reshape.outputs[0].shape) == [None, 2]
    assert not InferShapes()(model).modified
