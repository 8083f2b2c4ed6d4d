"""ONNX graphs made to run for ever, to fill the memory, or to run foreign code."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import pytest
from conftest import contents
from hostile.wire import integers, model_of
from onnx import TensorProto, helper

import edgecnn_runtime as edge
from edgecnn_runtime.budget import Budget
from edgecnn_runtime.bundle.limits.artefact import refuse_unsafe
from edgecnn_runtime.bundle.limits.onnx import refuse_unsafe_onnx
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import BundleUnreadable, ExternalData, OverBudget

HUGE = 1 << 62
SHAPE = (1 << 14, 1 << 14)


def check(model: onnx.ModelProto, memory_bytes: int = Budget().memory_bytes) -> None:
    refuse_unsafe_onnx(model.SerializeToString(), "model.onnx", Budget(memory_bytes))


def operator(
    name: str, *constants: onnx.TensorProto, inputs: Sequence[str] = (), **attributes: object
) -> onnx.ModelProto:
    """A model with one node that reads `inputs` and then its constants."""
    names = [*inputs, *(one.name for one in constants)]
    return model_of([helper.make_node(name, names, ["made"], **attributes)], [*constants])


def loop(trips: Sequence[onnx.TensorProto], body: Sequence[onnx.NodeProto] = ()) -> onnx.ModelProto:
    """A model with a Loop of so many trips, of which each copies its condition."""
    return model_of([loop_node([one.name for one in trips], body)], [*trips])


def loop_node(trips: Sequence[str], body: Sequence[onnx.NodeProto] = ()) -> onnx.NodeProto:
    copy = helper.make_node("Identity", ["go"], ["go_on"])
    inner = helper.make_graph(
        [copy, *body],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("go_on", TensorProto.BOOL, [])],
    )
    return helper.make_node("Loop", [*(trips or [""]), ""], [], body=inner)


def with_sparse(shape: Sequence[int]) -> onnx.ModelProto:
    """A model with a sparse initialiser of one number, which ONNX Runtime writes out in full."""
    model = model_of([])
    model.graph.sparse_initializer.append(
        onnx.SparseTensorProto(
            dims=shape,
            values=helper.make_tensor("sparse", TensorProto.FLOAT, [1], [1.0]),
            indices=helper.make_tensor("", TensorProto.INT64, [1], [0]),
        )
    )
    return model


LARGE: dict[str, Callable[[], onnx.ModelProto]] = {
    "ConstantOfShape": lambda: operator("ConstantOfShape", integers("shape", 1 << 28)),
    "ConstantOfShape of many axes": lambda: operator("ConstantOfShape", integers("s", *[2] * 40)),
    "Expand": lambda: operator("Expand", integers("shape", 1, 3, *SHAPE), inputs=["input"]),
    "Tile": lambda: operator("Tile", integers("times", 1, 1, *SHAPE), inputs=["input"]),
    "Resize to sizes": lambda: operator(
        "Resize", integers("sizes", 1, 3, *SHAPE), inputs=["input", "", ""]
    ),
    "Resize by scales": lambda: operator(
        "Resize",
        onnx.helper.make_tensor("scales", TensorProto.FLOAT, [4], [1, 1, *SHAPE]),
        inputs=["input", ""],
    ),
    "Pad": lambda: operator("Pad", integers("pads", 0, 0, *SHAPE, 0, 0, *SHAPE), inputs=["input"]),
    "Pad by an attribute": lambda: operator("Pad", inputs=["input"], pads=[0, 0, *SHAPE] * 2),
    "Range": lambda: operator(
        "Range", integers("start", 0), integers("limit", HUGE), integers("step", 1)
    ),
    "OneHot": lambda: operator("OneHot", integers("depth", 1 << 40), inputs=["input"]),
    "RandomNormal": lambda: operator("RandomNormal", shape=list(SHAPE)),
    "ConvTranspose": lambda: operator(
        "ConvTranspose", inputs=["input", "input"], output_shape=list(SHAPE)
    ),
    "HannWindow": lambda: operator("HannWindow", integers("size", HUGE)),
    "RandomNormal of countless axes": lambda: operator("RandomNormal", shape=[HUGE] * 100_000),
    "a sparse initialiser": lambda: with_sparse(SHAPE),
    "a constant of a node": lambda: model_of(
        [
            helper.make_node("Constant", [], ["shape"], value_ints=list(SHAPE)),
            helper.make_node("ConstantOfShape", ["shape"], ["made"]),
        ]
    ),
    "within a branch": lambda: model_of(
        [
            helper.make_node(
                "If",
                ["input"],
                ["made"],
                then_branch=operator("ConstantOfShape", integers("s", *SHAPE)).graph,
            )
        ]
    ),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_tensor_that_cannot_fit_is_refused_before_an_engine_makes_it(kind: str) -> None:
    with pytest.raises(OverBudget, match=r"a (sparse )?tensor of [\d,]+ numbers or more"):
        check(LARGE[kind]())


def test_whoever_opens_a_bundle_sets_how_large_a_tensor_may_be() -> None:
    model = operator("ConstantOfShape", integers("shape", 1 << 16))
    check(model)
    with pytest.raises(OverBudget, match=r"makes with ConstantOfShape a tensor .* 62,500"):
        check(model, memory_bytes=1_000_000)


@pytest.mark.parametrize(
    "model",
    [
        operator("ConstantOfShape", integers("shape", 0, HUGE)),
        operator("Resize", integers("sizes", 1, 3, 224, 224), inputs=["input", "", ""]),
        operator("Pad", integers("pads", *[0] * 8), inputs=["input"]),
        operator("Expand", inputs=["input", "shape"]),
        operator("Range", inputs=["a", "b", "c"]),
        operator("Range", integers("a", 0), integers("b", 5), integers("c", 0)),
        operator("ConstantOfShape"),
        loop([integers("trips", 12)]),
        loop([integers("trips", -1)]),
    ],
)
def test_small_sizes_and_sizes_that_are_not_known_are_left_to_the_process(
    model: onnx.ModelProto,
) -> None:
    check(model)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (loop([integers("trips", HUGE)]), "a Loop of 4,611,686,018,427,387,904 iterations"),
        (loop([integers("trips", 100_001)]), "runs 200,003 nodes in one inference"),
        (loop([]), "an unknown number of times"),
        (model_of([loop_node(["input"])]), "an unknown number of times"),
        (
            model_of([loop_node(["n"], [loop_node(["n"])])], [integers("n", 2000)]),
            "runs 8,006,001 nodes in one inference",
        ),
        (
            model_of([helper.make_node("Scan", ["input"], ["y"], body=onnx.GraphProto())]),
            "the operator Scan",
        ),
        (
            model_of([helper.make_node("SequenceMap", ["s"], ["y"], body=onnx.GraphProto())]),
            "the operator SequenceMap",
        ),
    ],
)
def test_loops_that_are_long_or_of_unknown_length_are_refused(
    model: onnx.ModelProto, says: str
) -> None:
    with pytest.raises(OverBudget, match=says):
        check(model)


def test_a_name_of_a_loops_own_does_not_pass_for_a_constant_outside() -> None:
    """Its count is one outside; inside, the value of that name is what the loop carries."""
    node = loop_node(["n"], [loop_node(["i"])])
    model = model_of([node], [integers("n", 2), integers("i", 1)])
    with pytest.raises(OverBudget, match="an unknown number of times"):
        check(model)


def test_a_function_does_not_pass_for_an_operator_of_onnx() -> None:
    model = onnx.ModelProto()
    model.CopyFrom(model_of([]))
    model.functions.append(onnx.FunctionProto(name="Constant", domain=""))
    with pytest.raises(BundleUnreadable, match="the domain of ONNX's own"):
        check(model)


def functions(*bodies: Sequence[str]) -> onnx.ModelProto:
    """A model that calls the first of some functions; each calls the functions named in it."""
    model = onnx.ModelProto()
    model.CopyFrom(model_of([helper.make_node("f0", ["input"], ["y"], domain="own")]))
    for number, body in enumerate(bodies):
        calls = [
            helper.make_node(name, ["x"], [f"y{index}"], domain="own" if name[0] == "f" else "")
            for index, name in enumerate(body)
        ]
        model.functions.append(
            onnx.FunctionProto(name=f"f{number}", domain="own", input=["x"], node=calls)
        )
    return model


def test_functions_that_unroll_to_billions_of_nodes_are_refused_at_once() -> None:
    began = time.perf_counter()
    with pytest.raises(OverBudget, match=r"runs 4,611,686,018,427,387,904 nodes"):
        check(functions(*[[f"f{number + 1}"] * 10 for number in range(20)], ["Relu"]))
    with pytest.raises(OverBudget):
        check(functions(["f0"]))
    with pytest.raises(OverBudget, match="functions nested too deep"):
        check(functions(*[[f"f{number + 1}"] for number in range(2000)], ["Relu"]))
    assert time.perf_counter() - began < 2
    check(functions(["f1", "f1"], ["Relu"]))


@pytest.mark.parametrize(
    ("domain", "name"),
    [("com.microsoft", "EPContext"), ("my.operators", "Conv"), ("ai.onnx.contrib", "PyOp")],
)
def test_operators_whose_code_is_elsewhere_are_refused(domain: str, name: str) -> None:
    node = helper.make_node(name, ["input"], ["y"], domain=domain, ep_cache_context="/etc/passwd")
    with pytest.raises(ExternalData, match=f"the operator {domain}:{name}, whose code"):
        check(model_of([node]))


def test_a_bundle_that_loops_for_ever_is_refused_in_a_line(tmp_path: Path) -> None:
    write_bundle(
        tmp_path / "x.edge", *contents("onnx", loop([integers("n", HUGE)]).SerializeToString())
    )
    with pytest.raises(OverBudget, match=r"model\.onnx has a Loop of"):
        edge.open(tmp_path / "x.edge")


@pytest.mark.parametrize(
    ("path", "is_beside"),
    [
        ("model_qnn.bin", True),
        ("/etc/passwd", False),
        ("../model_qnn.bin", False),
        ("folder/model_qnn.bin", False),
        ("..", False),
        ("", False),
        ("x" * 5000, False),
    ],
)
def test_a_vendors_context_is_read_from_its_own_folder_alone(path: str, is_beside: bool) -> None:
    options = {"ep_cache_context": path, "embed_mode": 0}
    node = helper.make_node("EPContext", ["input"], ["y"], domain="com.microsoft", **options)
    content = model_of([node]).SerializeToString()
    if is_beside:
        refuse_unsafe("qnn-context", content, None, "model.onnx", Budget())
    else:
        with pytest.raises(ExternalData, match="EPContext, whose code or data is outside"):
            refuse_unsafe("qnn-context", content, None, "model.onnx", Budget())
    with pytest.raises(ExternalData):
        refuse_unsafe("onnx", content, None, "model.onnx", Budget())


def test_a_context_that_is_embedded_is_refused() -> None:
    options = {"ep_cache_context": "binary", "embed_mode": 1}
    node = helper.make_node("EPContext", ["input"], ["y"], domain="com.microsoft", **options)
    with pytest.raises(ExternalData):
        refuse_unsafe(
            "qnn-context", model_of([node]).SerializeToString(), None, "model.onnx", Budget()
        )
