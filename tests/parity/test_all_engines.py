"""Every network × every format × every engine × float in 32 and 16 bits, in a thin form.

The first network of each family is run every time, those with other kinds of blocks are further
cells of the matrix; `make exhaustive` runs all.

At full size and with trained weights, in 8 bits too, docs/parity.md has the figures; it is held
here against the rows that it was written from.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest
from parity.test_zoo import FIRST, KINDS, check_graph, export, settled, thin_form

from benchmarks.parity import page
from benchmarks.parity.rows import Job, jobs, read_rows
from edgecnn.model.network import Network
from edgecnn.zoo import ARCHITECTURES
from edgecnn_exporters.targets.openvino.target import OpenVinoTarget
from edgecnn_exporters.targets.tflite.target import TfliteTarget
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.parity.tolerances import TOLERANCES
from edgecnn_runtime.parity.verify import verify

ROOT = Path(__file__).parents[2]
OTHER_PYTHON = ROOT / ".venv-tflite/bin/python"
FORMATS = {("onnx", "fp32"), ("tflite", "fp32"), ("openvino", "fp32")}
HALVES = {("tflite", "fp16"), ("openvino", "fp16")}


@dataclass(frozen=True)
class Thin:
    """A network in its thin form, and its bundle: in 16 bits too where it is a family's first."""

    network: Network
    path: Path
    model: onnx.ModelProto


@pytest.fixture(scope="module")
def thin(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Thin:
    name = request.param
    network = settled(name, thin_form(name))
    path = tmp_path_factory.mktemp(name) / "thin.edge"
    targets = (TfliteTarget(), OpenVinoTarget())
    return Thin(network, path, export(network, path, targets, half=name in FIRST))


EVERY = pytest.mark.parametrize(
    "thin",
    [
        pytest.param(
            name,
            marks=[]
            if name in FIRST
            else [pytest.mark.matrix if name in KINDS else pytest.mark.exhaustive],
        )
        for name in ARCHITECTURES
    ],
    indirect=True,
    scope="module",
)
FIRSTS = pytest.mark.parametrize("thin", FIRST, indirect=True, scope="module")


@EVERY
def test_every_engine_here_answers_as_pytorch_does(thin: Thin) -> None:
    check_graph(thin.model, thin.network)
    with Bundle(thin.path) as bundle:
        rows = [row for row in verify(bundle) if row.engine is not None]
        formats = {artefact.path: artefact.format for artefact in bundle.manifest.artefacts}
        targets = bundle.manifest.provenance["targets"]
    assert all(row.verdict == "equal" for row in rows), rows
    rows = [row for row in rows if row.subject in formats]
    found = {(formats[row.subject], row.precision) for row in rows}
    assert found == FORMATS | (HALVES if thin.network.name in FIRST else set())
    for row in rows:
        assert row.difference is not None
        assert row.difference.relative <= TOLERANCES[row.precision].relative
        assert row.difference.n == 3
        assert row.precision == "fp16" or row.difference.top1_agreement == 1
    transposes = {path: said["operators"].get("TRANSPOSE", 0) for path, said in targets.items()}
    assert set(transposes) == set(formats) - {"model.onnx"}
    assert not any(transposes.values()), transposes


@FIRSTS
@pytest.mark.skipif(
    not OTHER_PYTHON.exists(),
    reason="there is no .venv-tflite; make test makes it where Python is 3.11 on Linux",
)
def test_tflite_runtime_answers_as_pytorch_does(thin: Thin) -> None:
    command = [OTHER_PYTHON, "-m", "edgecnn_runtime", "verify", thin.path, "--engine", "tflite"]
    ran = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT / "runtime")},
    )
    assert ran.returncode == 0, ran.stderr
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {row["precision"] for row in rows} == {"fp32", "fp16"}
    for row in rows:
        assert row["engine"] == "tflite 2.14.0 (tflite_runtime)"
        assert row["verdict"] == "equal", row
        assert row["difference"]["relative"] <= TOLERANCES[row["precision"]].relative


def a_row(engine: str, relative: float, verdict: str = "equal") -> dict[str, Any]:
    proof = {"artefact": "model.onnx", "precision": "fp32", "engine": engine, "note": "≤ 1e-04"}
    proof |= {"verdict": verdict, "relative": relative, "sqnr_db": 9.0, "agreed": 2, "n": 3}
    said = {"date": "2026-01-02T03:04:05Z", "machine": "a machine", "python": "3.11"}
    return said | {"versions": {"torch": "2.13"}, "transposes": 4, "proofs": [proof]}


def test_the_page_says_what_the_rows_say() -> None:
    assert page.render(read_rows()) == (ROOT / "docs/parity.md").read_text(encoding="utf-8")


def test_what_differs_stands_out_and_what_is_missing_is_named() -> None:
    lenet, alexnet = Job("lenet5", "random"), Job("alexnet", "random")
    refused = {"fp16": "model.fp16.tflite differs"}
    written = page.render(
        {
            lenet: a_row("onnxruntime", 2.5e-3, "differs"),
            alexnet: a_row("openvino", 1e-6) | {"refused": refused},
            Job("vgg11", "random"): {"error": "no memory; buy some"},
        }
    )
    assert "| lenet5 | random | **2.5e-3** | – | – | – | – | – | – | 2/3 | 4 |" in written
    assert "| alexnet | random | – | 1.0e-6 | – | – | refused | refused | refused |" in written
    assert "- lenet5 (random): model.onnx differs in ONNX Runtime, ≤ 1e-04\n" in written
    assert "- alexnet (random): refused, model.fp16.tflite differs\n" in written
    assert "- vgg11 (random): no memory\n" in written
    assert "- 8 TRANSPOSE operators" in written
    (left,) = (line for line in written.splitlines() if line.startswith("- Not run: "))
    assert len(left.split("), ")) == len(jobs()) - 3


def test_a_share_between_two_engines_is_of_their_own_answers() -> None:
    answers = [
        {"engine": name, "precision": "int8", "n": 100, "sqnr_db": 30.0, "agreed": 97}
        | {"agreed_with": with_}
        for name, with_ in (("litert", {}), ("onnxruntime", {"litert": 0}))
    ]
    row = a_row("onnxruntime", 1e-6) | {"answers": answers}
    written = page.render({Job("lenet5", "mnist"): row})
    assert "| lenet5-mnist | 100 | 30.0 dB, 97.00 (91.5–99.0) | – | 30.0 dB" in written
    assert "| lenet5-mnist | 0.00 (0.0–3.7) | – | – | – |" in written


@pytest.mark.parametrize("kind", ["fp32", "fp16", "int8"])
def test_every_tolerance_comes_with_its_reason(kind: str) -> None:
    (line,) = (line for line in page.tolerances().splitlines() if line.startswith(f"| {kind} |"))
    assert len(line.split("|")[3]) > 100
