"""Targets of other distributions, found by entry point, through the command line."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest
from e2e.conftest import Run

ENTRY_POINTS = """
[edgecnn.targets]
mean = mean_target:MeanTarget
mistaken = mean_target:MistakenTarget
blackbox = mean_target:BlackBoxTarget
liar = mean_target:LiarTarget
absent = no_such_module:Target
"""
METADATA = "Metadata-Version: 2.1\nName: mean-target\nVersion: 1.0\n"

# A target for the engine that is always there, which computes scale * mean + offset.
MODULE = '''
import json
from dataclasses import dataclass, field, replace

from edgecnn_exporters.targets import NoOptions, Translated, artefact_path
from edgecnn_runtime.manifest import Artefact


@dataclass(frozen=True)
class MeanTarget:
    """The mean of each channel, for the engine "fake"."""

    options: NoOptions = field(default_factory=NoOptions)
    name = "mean"
    format = "fake"
    suffixes = (".mean.json",)
    precisions = ("fp32",)
    engine = "fake"
    options_type = NoOptions
    proof = "measured"
    scale = 2.0

    def translate(self, model, precision, about):
        (read,), (made,) = model.graph.inputs, model.graph.outputs
        document = {
            "inputs": [[read.name, "float32", [None, 3, 8, 8]]],
            "outputs": [[made.name, "float32", [None, 3]]],
            "scale": self.scale,
            "offset": 1.0,
        }
        path = artefact_path(precision, self.suffixes[0])
        files = {path: json.dumps(document).encode()}
        return Translated(self, Artefact(path, self.format, precision), files, {})

    def open_exact(self, translated):
        return None


@dataclass(frozen=True)
class MistakenTarget(MeanTarget):
    """The same, with another scale than the network has."""

    name = "mistaken"
    scale = 2.1


@dataclass(frozen=True)
class BlackBoxTarget(MeanTarget):
    """A vendor's compiled file of 8 bits, which nothing here runs."""

    name = "blackbox"
    format = "blackbox"
    suffixes = (".blackbox",)
    precisions = ("int8",)
    engine = None
    proof = "compiled only"
    scale = -1.0


@dataclass(frozen=True)
class LiarTarget(MeanTarget):
    """One that writes another format than it declares."""

    name = "liar"
    format = "honest"

    def translate(self, model, precision, about):
        translated = super().translate(model, precision, about)
        return replace(translated, artefact=replace(translated.artefact, format="fake"))
'''
NETWORK = """
from torch import nn

class Brightness(nn.Module):
    def forward(self, x):
        return x.mean(dim=(2, 3)) * 2 + 1

def brightness():
    return Brightness()

def classifier():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
"""
EXPORT = ("export", "own:brightness", "--input", "1x3x8x8", "--preprocess", "unit")
INT8 = ("--quantize", "int8", "--recipe", "fast", "--samples", "8", "--no-measure")


@pytest.fixture(autouse=True)
def plugin(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with targets of its own, installed for the programs that a test starts."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "mean_target-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (folder / "mean_target.py").write_text(MODULE)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


@pytest.fixture(autouse=True)
def networks(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(NETWORK)


def manifest_of(path: Path) -> dict[str, list[dict[str, object]]]:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("manifest.json"))  # type: ignore[no-any-return]


def test_its_artefact_is_accepted_packed_and_verified(edgecnn: Run, tmp_path: Path) -> None:
    ran = edgecnn(*EXPORT, "--target", "mean", "-o", "own.edge")
    assert ran.returncode == 0, ran.stderr
    assert "mean      fp32\n" in ran.stdout
    artefacts = manifest_of(tmp_path / "own.edge")["artefacts"]
    assert [(a["path"], a["format"]) for a in artefacts] == [
        ("model.onnx", "onnx"),
        ("model.mean.json", "fake"),
    ]
    document = json.loads(edgecnn("verify", "own.edge", "--json").stdout)
    verdicts = {row["subject"]: row["verdict"] for row in document["rows"]}
    assert set(verdicts) >= {"model.onnx", "model.mean.json"}
    assert set(verdicts.values()) == {"equal"}


def test_the_plan_names_it(edgecnn: Run) -> None:
    ran = edgecnn(*EXPORT, "--target", "tflite,mean", "--fp16", "--dry-run")
    assert ran.returncode == 0, ran.stderr
    assert "onnx (fp32), tflite (fp32, fp16), mean (fp32)" in ran.stdout


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("mistaken", "model.mean.json differs from the original"),
        ("liar", "target 'liar' wrote model.mean.json (fake, fp32), expected .mean.json (honest"),
        ("absent", "target 'absent' (no_such_module:Target) cannot be loaded"),
    ],
)
def test_one_that_is_wrong_is_named_and_nothing_is_written(
    edgecnn: Run, tmp_path: Path, target: str, says: str
) -> None:
    ran = edgecnn(*EXPORT, "--target", target, "-o", "none.edge")
    assert ran.returncode == 1
    assert says in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "none.edge").exists()


def test_what_nothing_here_runs_is_packed_as_compiled_only(edgecnn: Run, tmp_path: Path) -> None:
    export = ("export", "own:classifier", "--input", "1x3x8x8", "--preprocess", "unit")
    ran = edgecnn(*export, *INT8, "--target", "blackbox", "-o", "own.edge")
    assert ran.returncode == 0, ran.stderr
    assert "blackbox  int8, compiled only\n" in ran.stdout
    manifest = manifest_of(tmp_path / "own.edge")
    assert [a["path"] for a in manifest["artefacts"]] == [
        "model.int8.onnx",
        "model.int8.blackbox",
        "model.onnx",
    ]
    targets = manifest["provenance"]["targets"]  # type: ignore[call-overload]
    assert targets["model.int8.blackbox"]["proof"] == "compiled only"
    verified = edgecnn("verify", "own.edge")
    assert verified.returncode == 0, verified.stdout + verified.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--target", "blackbox"), "--target blackbox: only with --quantize int8"),
        (("--target", "mean", "--fp16"), "--fp16: mean writes no weights of 16 bits"),
        (
            ("--target", "coreml"),
            "choose from onnx, tflite, openvino, native, mean, mistaken, blackbox",
        ),
    ],
)
def test_options_that_make_no_sense_with_it_are_refused(
    edgecnn: Run, arguments: tuple[str, ...], says: str
) -> None:
    ran = edgecnn("export", "lenet5", *arguments)
    assert ran.returncode == 2
    assert says in " ".join(ran.stderr.split())
