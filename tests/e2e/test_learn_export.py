"""`edgecnn export --learn`: bundles with a training graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
from e2e.conftest import Run

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle


def test_the_last_layer_is_learnt_behind_8_bits(edgecnn: Run, tmp_path: Path) -> None:
    ran = edgecnn(
        *("export", "lenet5", "--weights", "mnist", "--learn", "head", "--quantize", "int8"),
        *("--samples", "32", "--recipe", "fast", "--no-measure", "-o", "l.edge"),
    )
    assert ran.returncode == 0, ran.stderr
    learns = next(line for line in ran.stdout.splitlines() if line.startswith("learns"))
    assert "classifier.4 (850 parameters) by adam, int8 backbone, model.train.onnx" in learns
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
    for _ in range(2):
        ran = edgecnn(*command, *learn, "--json", "-o", "r.edge", "--force")
        assert ran.returncode == 0, ran.stderr
    first = (tmp_path / "r.edge").read_bytes()
    again = edgecnn(*command, *learn, "--json", "-o", "r.edge", "--force")
    assert (tmp_path / "r.edge").read_bytes() == first
    learning = json.loads(again.stdout)["learning"]
    assert (learning["optimiser"], learning["learning_rate"]) == ("sgd", 0.05)
    assert learning["backbone"] == "fp32"


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--loss", "cross_entropy"), 2, "--loss: only with --learn, as in --learn head"),
        (("--learn", "head", "--momentum", "0.9"), 2, "--momentum: only with --optimiser sgd"),
        (
            ("--learn", "head", "--loss", "mean_squared_error", "--label-smoothing", "0.1"),
            2,
            "--label-smoothing: only with --loss cross_entropy",
        ),
        (("--learn", "last:0"), 2, "expected a number of layers, as in last:3"),
        (("--learn", "all", "--learn-norm", "batch", "--batch", "1"), 1, "leave --batch out"),
        (("--learn", "last:9"), 1, "than the network's 2 with weights; take --learn all"),
        (("--learn", "hed"), 1, "the network has no parameter of that name; it has"),
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
