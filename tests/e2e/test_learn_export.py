"""`edgecnn export --learn`: bundles with a training graph."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from e2e.conftest import Run
from onnx import helper, numpy_helper

import edgecnn_runtime
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle


def test_the_last_layer_is_learnt_behind_8_bits_within_the_memory(
    edgecnn: Run, tmp_path: Path
) -> None:
    ran = edgecnn(
        *("export", "lenet5", "--weights", "mnist", "--learn", "head", "--quantize", "int8"),
        *("--samples", "32", "--recipe", "fast", "--no-measure", "-o", "l.edge"),
        *("--learn-memory", "300", "--learn-batch", "5"),
    )
    assert ran.returncode == 0, ran.stderr
    learns = next(line for line in ran.stdout.splitlines() if line.startswith("learns"))
    assert "classifier.4 (850 parameters) by adam, int8 backbone, model.train.onnx" in learns
    # It may keep all of them, so that one graph is measured.
    assert re.search(r"; [1-9]\d* MB a step of 5, 2 of 2 activations kept$", learns)
    with Bundle(tmp_path / "l.edge") as bundle:
        bundle.check()
        training = bundle.manifest.training
        assert training is not None
        assert [spec.name for spec in bundle.manifest.parameters] == [
            "classifier.4.weight",
            "classifier.4.bias",
        ]
        assert training.head is not None
        assert training.is_int8_written
        assert [layer.weight for layer in training.quantised] == ["classifier.4.weight"]
        step = bundle.golden_step()
        assert len(set(step.labels.tolist())) == len(step.labels) == 3


def test_a_bundle_with_a_training_graph_has_the_same_bytes_again(
    edgecnn: Run, own: None, tmp_path: Path
) -> None:
    command = ("export", "own.py:responsive", "--input", "1x3x8x8", "--preprocess", "unit")
    learn = ("--learn", "head", "--optimiser", "sgd", "--momentum", "0.9", "--lr", "0.05")
    ran = edgecnn(*command, *learn, "-o", "r.edge")
    assert ran.returncode == 0, ran.stderr
    first = (tmp_path / "r.edge").read_bytes()
    again = edgecnn(*command, *learn, "-o", "r.edge", "--json")
    learning = json.loads(again.stdout)["learning"]
    assert (learning["optimiser"], learning["learning_rate"]) == ("sgd", 0.05)
    assert learning["backbone"] == "fp32"
    with Bundle(tmp_path / "r.edge") as bundle:
        contents = {name: bundle.read(name) for name in bundle.manifest.files}
    (tmp_path / "first.edge").write_bytes(first)
    with Bundle(tmp_path / "first.edge") as bundle:
        assert {name: bundle.read(name) for name in bundle.manifest.files} == contents


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--loss", "cross_entropy"), 2, "--loss: only with --learn, as in --learn head"),
        (("--learn", "head", "--momentum", "0.9"), 2, "--momentum: only with --optimiser sgd"),
        (("--learn-memory", "9"), 2, "--learn-memory: only with --learn, as in --learn head"),
        (("--learn", "head", "--learn-batch", "9"), 2, "--learn-batch: only with --learn-memory"),
        (
            ("--learn", "head", "--loss", "mean_squared_error", "--label-smoothing", "0.1"),
            2,
            "--label-smoothing: only with --loss cross_entropy",
        ),
        (("--learn", "last:0"), 2, "expected a number of layers, as in last:3"),
        (("--learn", "all", "--learn-norm", "batch", "--batch", "1"), 1, "leave --batch out"),
        (("--learn", "last:9"), 1, "than the network's 2 with weights; take --learn all"),
        (("--learn", "hed"), 1, "the network has no parameter of that name; it has"),
        (("--learn", "head,all"), 1, "head, last:N and all stand alone"),
        (("--learn", "head", "--learning-rate", "nan"), 2, "'nan' is no finite number"),
        (("--learn", "head", "--weight-decay", "inf"), 2, "is not in the range 0<=x<=1000000"),
    ],
)
def test_what_cannot_be_learnt_is_told_in_a_sentence(
    edgecnn: Run, own: None, options: tuple[str, ...], code: int, says: str
) -> None:
    ran = edgecnn(
        "export", "own.py:responsive", "--input", "1x3x8x8", "--preprocess", "unit", *options
    )
    assert ran.returncode == code, ran.stderr
    assert says in ran.stderr
    assert "Traceback" not in ran.stderr


def test_verify_proves_a_training_graph_and_finds_a_flipped_sign(
    edgecnn: Run, own: None, tmp_path: Path
) -> None:
    command = ("export", "own.py:responsive", "--input", "1x3x8x8", "--preprocess", "unit")
    assert edgecnn(*command, "--learn", "all", "-o", "r.edge").returncode == 0
    ran = edgecnn("verify", "r.edge", "--json")
    assert ran.returncode == 0, ran.stderr
    row = training_row(ran.stdout)
    assert row["verdict"] == "equal"
    assert row["learning"]["gradient"] < 1e-5
    with Bundle(tmp_path / "r.edge") as bundle:
        files = {name: bundle.read(name) for name in bundle.manifest.files}
        manifest = bundle.manifest
    model = onnx.load_from_string(files["model.train.onnx"])
    node = next(each for each in model.graph.node if each.op_type == "Sub")  # softmax less labels
    node.input[:] = reversed(node.input)
    files["model.train.onnx"] = model.SerializeToString()
    write_bundle(tmp_path / "r.edge", manifest, files)
    ran = edgecnn("verify", "r.edge", "--json")
    assert ran.returncode == 3
    row = training_row(ran.stdout)
    assert row["verdict"] == "differs"
    assert row["learning"]["gradient"] == pytest.approx(2, abs=0.01)
    ran = edgecnn("verify", "r.edge")
    (line,) = (line for line in ran.stdout.splitlines() if line.startswith("model.train.onnx"))
    assert "2.0e+00" in line


def training_row(document: str) -> dict[str, Any]:
    rows = json.loads(document)["rows"]
    (row,) = (row for row in rows if row["subject"] == "model.train.onnx")
    assert isinstance(row, dict)
    return row


CIFAR = ("export", "resnet20", "--weights", "cifar10", "-o", "r.edge")


def test_all_of_a_network_is_learnt_with_statistics_of_each_batch(
    edgecnn: Run, tmp_path: Path
) -> None:
    ran = edgecnn(*CIFAR, "--learn", "all")
    assert ran.returncode == 0, ran.stderr
    with Bundle(tmp_path / "r.edge") as bundle:
        bundle.check()
        training, parameters = bundle.manifest.training, bundle.manifest.parameters
    assert training is not None
    assert training.normalisation == "batch"
    # 19 convolutions with scale and shift of their normalisations, and the head.
    assert len(parameters) == 19 * 3 + 2
    assert len(training.statistics) == len(training.folded) * 2 == 38


def test_parameters_are_chosen_by_name(edgecnn: Run, own: None, tmp_path: Path) -> None:
    command = ("export", "own.py:responsive", "--input", "1x3x8x8", "--preprocess", "unit")
    ran = edgecnn(*command, "--learn", "3.bias,0", "--learn-norm", "frozen", "-o", "r.edge")
    assert ran.returncode == 0, ran.stderr
    with Bundle(tmp_path / "r.edge") as bundle:
        names = [spec.name for spec in bundle.manifest.parameters]
        assert bundle.manifest.training is not None
        assert bundle.manifest.training.head is None
    assert names == ["3.bias", "0.weight", "0.bias"]


@pytest.mark.matrix
@pytest.mark.slow
def test_mobilenet_learns_its_head_behind_8_bits(edgecnn: Run, tmp_path: Path) -> None:
    ran = edgecnn(
        *("export", "mobilenet_v2", "--weights", "cifar10", "--learn", "last:2"),
        *("--quantize", "int8", "--samples", "24", "--recipe", "fast", "--no-measure"),
        *("-o", "m.edge", "--json"),
    )
    assert ran.returncode == 0, ran.stderr
    learning = json.loads(ran.stdout)["learning"]
    assert (learning["backbone"], learning["is_int8_written"]) == ("int8", True)
    with edgecnn_runtime.open(tmp_path / "m.edge", learn=True) as model:
        step = model_step(tmp_path / "m.edge")
        losses = [model.learn(*step, learning_rate=0.001) for _ in range(5)]
        assert losses[-1] < losses[0]
        model.save(tmp_path / "mine.edge")
    ran = edgecnn("verify", "mine.edge")
    assert ran.returncode == 0, ran.stdout


def model_step(path: Path) -> tuple[Any, Any]:
    with Bundle(path) as bundle:
        step = bundle.golden_step()
    return next(iter(step.feeds.values())), step.labels


def test_an_onnx_file_learns_by_the_names_that_it_has(edgecnn: Run, tmp_path: Path) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["a"], "conv"),
            helper.make_node("Relu", ["a"], ["b"], "relu"),
            helper.make_node("Flatten", ["b"], ["c"], "flatten"),
            helper.make_node("Gemm", ["c", "h", "k"], ["y"], "gemm", transB=1),
        ],
        "g",
        [helper.make_tensor_value_info("x", 1, ["N", 3, 4, 4])],
        [helper.make_tensor_value_info("y", 1, ["N", 3])],
        [
            numpy_helper.from_array(np.random.default_rng(i).normal(size=s).astype("f4"), name)
            for i, (name, s) in enumerate({"w": (2, 3, 1, 1), "h": (3, 32), "k": (3,)}.items())
        ],
    )
    onnx.save(
        helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]),
        tmp_path / "n.onnx",
    )
    command = ("export", "n.onnx", "--preprocess", "none", "--loss", "binary_cross_entropy")
    ran = edgecnn(*command, "--learn", "w,h", "--label-smoothing", "0.1")
    assert ran.returncode == 2
    ran = edgecnn(*command, "--learn", "w,h", "-o", "n.edge")
    assert ran.returncode == 0, ran.stderr
    with Bundle(tmp_path / "n.edge") as bundle:
        assert [spec.name for spec in bundle.manifest.parameters] == ["w", "h"]


def saved(path: Path, nodes: list[onnx.NodeProto], constants: dict[str, Any]) -> None:
    """An ONNX file of a network from ``x`` (2, 3, 3, 4) to ``y`` (2, 2)."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", 1, [2, 3, 3, 4])],
        [helper.make_tensor_value_info("y", 1, [2, 2])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    onnx.save(
        helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]), path
    )


def test_an_operator_without_a_gradient_is_named(edgecnn: Run, tmp_path: Path) -> None:
    ones = {name: np.ones(shape, "f4") for name, shape in SHAPES.items()}
    axes = {"last": np.array([3]), "first": np.array([0])}
    nodes = [
        helper.make_node("Conv", ["x", "c"], ["a"], "conv"),
        helper.make_node("Squeeze", ["a", "last"], ["b"], "squeeze"),
        helper.make_node("LSTM", ["b", "lw", "lr"], ["", "h"], "lstm", hidden_size=3),
        helper.make_node("Squeeze", ["h", "first"], ["s"], "squeeze_1"),
        helper.make_node("Gemm", ["s", "w"], ["z"], "gemm", transB=1),
        helper.make_node("Slice", ["z", "first", "two"], ["y"], "slice"),
    ]
    saved(tmp_path / "n.onnx", nodes, ones | axes | {"two": np.array([2])})
    ran = edgecnn("export", "n.onnx", "--preprocess", "none", "--learn", "all", "--batch", "2")
    assert ran.returncode == 1
    assert "lstm (LSTM) has no gradient: it is recurrent. Learn only layers behind" in ran.stderr
    assert "--learn head, or --learn last:N with fewer layers" in ran.stderr


SHAPES = {"c": (4, 3, 1, 4), "lw": (1, 12, 3), "lr": (1, 12, 3), "w": (2, 3)}


def test_a_quantised_file_learns_nothing(edgecnn: Run, tmp_path: Path) -> None:
    scale = {"s": np.array(0.1, "f4"), "z": np.array(3, "u1"), "w": np.ones((2, 36), "f4")}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"], "quantise"),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], "dequantise"),
        helper.make_node("Flatten", ["d"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "w"], ["y"], "gemm", transB=1),
    ]
    saved(tmp_path / "n.onnx", nodes, scale)
    ran = edgecnn("export", "n.onnx", "--preprocess", "none", "--learn", "head")
    assert ran.returncode == 1
    assert "the network is quantised already, and only float weights are learnt" in ran.stderr
