"""Bundles of an earlier version still open, verify and bench, and exporting makes them again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from e2e.conftest import Run

import edgecnn_runtime
from edgecnn_runtime.bundle import Bundle

KEPT = Path(__file__).parents[1] / "data/bundles"
COMMANDS = {
    "lenet5": ["lenet5", "--weights", "mnist", "--target", "all"],
    "separable": [
        *("small_networks:separable", "--input", "1x3x16x16", "--preprocess", "none"),
        *("--target", "all", "--fp16"),
    ],
    "two_outputs": ["two_outputs.onnx", "--preprocess", "none"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_it_opens_and_answers_its_golden_inputs(name: str) -> None:
    with Bundle(KEPT / f"{name}.edge") as bundle:
        bundle.check()
        example = bundle.golden(0)
    with edgecnn_runtime.open(KEPT / f"{name}.edge", precision="fp32") as model:
        answers = model.run(example.inputs)
    assert answers.keys() == example.outputs.keys()
    for output, expected in example.outputs.items():
        error = abs(answers[output] - expected).max()
        assert error <= 1e-4 * abs(expected).max(), output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_artefact_is_verified_on_every_engine(edgecnn: Run, name: str) -> None:
    ran = edgecnn("verify", KEPT / f"{name}.edge", "--json")
    assert ran.returncode == 0, ran.stderr
    rows = json.loads(ran.stdout)["rows"]
    assert {row["verdict"] for row in rows} == {"equal"}
    with Bundle(KEPT / f"{name}.edge") as bundle:
        artefacts = {artefact.path for artefact in bundle.manifest.artefacts}
    assert artefacts <= {row["subject"] for row in rows}


@pytest.mark.parametrize("name", COMMANDS)
def test_it_is_measured(edgecnn: Run, name: str) -> None:
    short = ("--rounds", "8", "--cold-starts", "0", "--threads", "1", "--precision", "fp32")
    ran = edgecnn("bench", KEPT / f"{name}.edge", *short, "--json")
    assert ran.returncode in {0, 5}, ran.stderr
    (device,) = json.loads(ran.stdout)["devices"]
    assert {row["golden"] for row in device["rows"]} == {"equal"}


@pytest.mark.parametrize("name", COMMANDS)
def test_exporting_again_gives_the_same_float_artefacts(
    edgecnn: Run, tmp_path: Path, name: str
) -> None:
    """To the last byte. Those of 8 bits depend on the processor that calibrates them."""
    for path in KEPT.glob("*.py"), KEPT.glob("*.onnx"):
        for source in path:
            shutil.copy(source, tmp_path)
    ran = edgecnn("export", *COMMANDS[name], "-o", "again.edge")
    assert ran.returncode == 0, ran.stderr
    with Bundle(KEPT / f"{name}.edge") as kept, Bundle(tmp_path / "again.edge") as again:
        writers = [one.manifest.provenance["versions"] for one in (kept, again)]
        for versions in writers:
            del versions["python"], versions["edgecnn"]
        if writers[0] != writers[1]:
            pytest.skip(f"exported with {writers[0]}, here are {writers[1]}")
        for artefact in kept.manifest.artefacts:
            if artefact.precision == "int8":
                continue
            for path in artefact.paths:
                assert again.manifest.files[path] == kept.manifest.files[path], path
        assert again.manifest.inputs == kept.manifest.inputs
        assert again.manifest.outputs == kept.manifest.outputs
