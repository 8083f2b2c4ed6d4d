"""ImageNet weights in, a bundle out, the right label for a photograph."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from e2e.conftest import PHOTOGRAPHS, Run

import edgecnn_runtime as edge

pytestmark = pytest.mark.network


@pytest.mark.parametrize(
    ("photograph", "labels"),
    [
        ("cat", {"Egyptian cat", "tabby", "tiger cat"}),
        ("coffee", {"espresso"}),
    ],
)
def test_photographs_get_the_right_label(
    mobilenet_bundle: Path, photograph: str, labels: set[str]
) -> None:
    with edge.open(mobilenet_bundle) as model:
        best = model.classify(PHOTOGRAPHS / f"{photograph}.jpg")[0]
    assert best.label in labels
    assert 0.5 < best.score <= 1


def test_run_prints_the_label(edgecnn: Run, mobilenet_bundle: Path) -> None:
    ran = edgecnn("run", mobilenet_bundle, PHOTOGRAPHS / "coffee.jpg", "--top", "1", "--json")
    document = json.loads(ran.stdout)
    assert document["schema"] == "edgecnn.run/1"
    assert document["images"][0]["classes"][0]["label"] == "espresso"


def test_verify_proves_it_equal(edgecnn: Run, mobilenet_bundle: Path) -> None:
    ran = edgecnn("verify", mobilenet_bundle, "--json")
    assert ran.returncode == 0, ran.stderr
    rows = json.loads(ran.stdout)["rows"]
    assert {(row["subject"], row["verdict"]) for row in rows} == {
        ("model.onnx", "equal"),
        ("preprocessing", "equal"),
        ("labels", "equal"),
        ("provenance", "equal"),
    }
    assert max(row["difference"]["relative"] for row in rows if row["difference"]) < 1e-4


def test_the_graph_is_canonical_and_its_names_are_the_networks(mobilenet_bundle: Path) -> None:
    import onnx

    from edgecnn_runtime.bundle import Bundle

    with Bundle(mobilenet_bundle) as bundle:
        graph = onnx.load_from_string(bundle.read("model.onnx")).graph
        assert bundle.manifest.provenance["capture"][-1]["outcome"] == "agrees with PyTorch"
        assert bundle.manifest.provenance["source"]["weights_sha256"].startswith("b0353104")
    operators = [node.op_type for node in graph.node]
    assert {name: operators.count(name) for name in set(operators)} == {
        "Conv": 52,
        "Clip": 35,
        "Add": 10,
        "GlobalAveragePool": 1,
        "Flatten": 1,
        "Gemm": 1,
    }
    names = {node.name for node in graph.node}
    assert {"features.3.conv.1.0", "features.3.conv.2", "classifier.1"} <= names
    assert "features.3.conv.1.0.weight" in {tensor.name for tensor in graph.initializer}


@pytest.mark.matrix
def test_a_second_export_gives_the_same_bytes(
    fresh_edgecnn: Run, mobilenet_bundle: Path, tmp_path: Path
) -> None:
    again = fresh_edgecnn("export", "mobilenet_v2", "-o", "again.edge")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.edge").read_bytes() == mobilenet_bundle.read_bytes()
