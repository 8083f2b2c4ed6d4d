"""One export, every format: what `edgecnn export --target` writes and refuses."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from e2e.conftest import Run

EXPORT = ("export", "own:build", "--input", "1x3x32x32", "--preprocess", "unit")
CAT = Path(__file__).parents[2] / "exporters/edgecnn_exporters/photographs/cat.jpg"
INT8 = ("--quantize", "int8", "--recipe", "fast", "--samples", "8", "--no-measure")

SHUFFLE = """
class Shuffle(nn.Module):
    def forward(self, x):
        n, c, h, w = x.shape
        return x.reshape(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)

def shuffled():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 1), Shuffle(), nn.Conv2d(8, 4, 1), nn.Flatten(),
                         nn.Linear(4 * 64, 2))

class Roll(nn.Module):
    def forward(self, x):
        return torch.cumsum(x, dim=1)

def rolled():
    return nn.Sequential(nn.Conv2d(3, 4, 1), Roll(), nn.Flatten(), nn.Linear(256, 2))

class Wave(nn.Module):
    def forward(self, x):
        return torch.sin(x)

def waves():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 1), Wave(), nn.Flatten(), nn.Linear(256, 2))
"""


@pytest.mark.usefixtures("own")
def test_one_export_writes_every_format_and_verify_proves_each(
    edgecnn: Run, tmp_path: Path
) -> None:
    ran = edgecnn(*EXPORT, *INT8, "--target", "all", "--fp16", "-o", "all.edge")
    assert ran.returncode == 0, ran.stderr
    (row,) = [line for line in ran.stdout.splitlines() if line.startswith("tflite")]
    assert "0 TRANSPOSE" in row
    assert "batch fixed at 1" in row
    with zipfile.ZipFile(tmp_path / "all.edge") as archive:
        names = set(archive.namelist())
    for precision in ("", ".fp16", ".int8"):
        assert {
            f"model{precision}.tflite",
            f"model{precision}.xml",
            f"model{precision}.bin",
        } <= names
    assert [name for name in names if name.endswith(".plan")] == ["model.int8.plan"]
    document = json.loads(edgecnn("verify", "all.edge", "--json").stdout)
    rows = {row["subject"]: row["verdict"] for row in document["rows"]}
    assert len(rows) == 12
    assert set(rows.values()) == {"equal"}
    plan_runs_and_is_measured(edgecnn)
    engines_tell_where_the_time_goes(edgecnn)


def plan_runs_and_is_measured(edgecnn: Run) -> None:
    """Run and bench with the engine native, of the bundle all.edge here."""
    scores = {}
    for engine in ("native", "onnxruntime"):
        ran = edgecnn("run", "all.edge", CAT, "--engine", engine, "--precision", "int8", "--json")
        assert ran.returncode == 0, ran.stderr
        (image,) = json.loads(ran.stdout)["images"]
        scores[engine] = [each["score"] for each in image["classes"]]
    assert scores["native"] == pytest.approx(scores["onnxruntime"], abs=0.02)
    short = ("--rounds", "8", "--cold-starts", "0", "--threads", "1", "--json")
    ran = edgecnn("bench", "all.edge", "--engine", "native", *short)
    assert ran.returncode in {0, 5}, ran.stderr
    (device,) = json.loads(ran.stdout)["devices"]
    (row,) = device["rows"]
    assert (row["artefact"], row["golden"]) == ("model.int8.plan", "equal")


def engines_tell_where_the_time_goes(edgecnn: Run) -> None:
    """Profile the int8 artefacts of the bundle all.edge here."""
    ran = edgecnn("bench", "all.edge", "--profile", "--precision", "int8", "--json")
    assert ran.returncode == 0, ran.stderr
    (device,) = json.loads(ran.stdout)["devices"]
    rows = {row["engine"]["name"]: row for row in device["rows"]}
    kinds = {name: {one["kind"] for one in row["stages"]} for name, row in rows.items()}
    assert "QLinearConv" in kinds["onnxruntime"]
    assert "Convolution" in kinds["openvino"]
    assert "convolution" in kinds["native"]
    assert rows["tflite"]["note"] == "LiteRT's Python package gives no times of operators"
    for name in ("onnxruntime", "openvino", "native"):
        total_ms = sum(one["ms"] for one in rows[name]["stages"])
        assert 0 < total_ms < 10 * rows[name]["run_ms"]
    ran = edgecnn("bench", "all.edge", "--profile", "--sustained", "1m")
    assert ran.returncode == 2
    assert "--sustained does not go with --profile, which times operators" in ran.stderr


@pytest.mark.usefixtures("own")
def test_equal_exports_are_equal_bytes(edgecnn: Run, fresh_edgecnn: Run, tmp_path: Path) -> None:
    for run, name in ((edgecnn, "a.edge"), (fresh_edgecnn, "b.edge")):
        ran = run(*EXPORT, *INT8, "--target", "all", "-o", name)
        assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "a.edge").read_bytes() == (tmp_path / "b.edge").read_bytes()


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("target", "io"), [("tflite", "int8"), ("tflite", "uint8"), ("native", "uint8")]
)
def test_an_artefact_of_integers_alone_answers_through_the_same_interface(
    edgecnn: Run, tmp_path: Path, target: str, io: str
) -> None:
    ran = edgecnn(*EXPORT, *INT8, "--target", target, f"--{target}-io", io, "-o", "io.edge")
    assert ran.returncode == 0, ran.stderr
    with zipfile.ZipFile(tmp_path / "io.edge") as archive:
        manifest = json.loads(archive.read("manifest.json"))
    (held,) = [
        a
        for a in manifest["artefacts"]
        if a["format"] in ("plan", "tflite") and a["precision"] == "int8"
    ]
    assert set(held["encodings"]) == {"input", "logits"}
    verified = edgecnn("verify", "io.edge", "--engine", target)
    assert verified.returncode == 0, verified.stdout


def test_a_transpose_that_is_needed_is_counted_and_refused_where_none_is_allowed(
    edgecnn: Run, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(f"import torch\nfrom torch import nn\n{SHUFFLE}")
    command = ("export", "own:shuffled", "--input", "1x3x8x8", "--preprocess", "unit")
    ran = edgecnn(*command, "--target", "tflite")
    assert ran.returncode == 0, ran.stderr
    assert "1 TRANSPOSE" in ran.stdout
    refused = edgecnn(*command, "--target", "tflite", "--max-transposes", "0", "-o", "none.edge")
    assert refused.returncode == 6
    assert "holds 1 TRANSPOSE" in refused.stderr
    assert not (tmp_path / "none.edge").exists()


def test_an_operator_that_tflite_lacks_is_named_and_nothing_is_written(
    edgecnn: Run, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(f"import torch\nfrom torch import nn\n{SHUFFLE}")
    command = ("export", "own:rolled", "--input", "1x3x8x8", "--preprocess", "unit")
    ran = edgecnn(*command, "--target", "tflite", "-o", "none.edge")
    assert ran.returncode == 1
    assert "CumSum" in ran.stderr
    assert "docs/tflite.md" in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "none.edge").exists()


@pytest.mark.usefixtures("own")
def test_a_plan_is_made_of_a_network_of_one_image_at_a_time(edgecnn: Run) -> None:
    ran = edgecnn(*EXPORT, *INT8, "--batch", "1", "--target", "native", "-o", "one.edge")
    assert ran.returncode == 0, ran.stderr
    assert edgecnn("verify", "one.edge", "--engine", "native").returncode == 0


def test_a_network_without_a_plan_is_refused_by_name_and_leaves_it_out_among_all(
    edgecnn: Run, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(f"import torch\nfrom torch import nn\n{SHUFFLE}")
    command = ("export", "own:waves", "--input", "1x3x8x8", "--preprocess", "unit", *INT8)
    refused = edgecnn(*command, "--target", "native", "-o", "none.edge")
    assert refused.returncode == 1
    assert "Sin" in refused.stderr
    assert not (tmp_path / "none.edge").exists()
    ran = edgecnn(*command, "--target", "all", "-o", "all.edge")
    assert ran.returncode == 0, ran.stderr
    reason = refused.stderr.strip().removeprefix("edgecnn: ")
    assert f"native is left out: {reason}" in ran.stdout + ran.stderr
    with zipfile.ZipFile(tmp_path / "all.edge") as archive:
        names = set(archive.namelist())
    assert {"model.int8.tflite", "model.int8.xml"} <= names
    assert "model.int8.plan" not in names


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("--target", "coreml"),
            "'coreml' is not a target; choose from onnx, tflite, openvino, native, all",
        ),
        (("--fp16",), "--fp16: only with --target"),
        (("--target", "native"), "--target native: only with --quantize int8"),
        (("--tflite-io", "int8"), "only with --target tflite"),
        (("--target", "tflite", "--tflite-io", "int8"), "only with --quantize int8"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    edgecnn: Run, arguments: tuple[str, ...], says: str
) -> None:
    ran = edgecnn("export", "lenet5", *arguments)
    assert ran.returncode == 2
    assert says in " ".join(ran.stderr.split())


def test_the_plan_names_the_artefacts(edgecnn: Run) -> None:
    ran = edgecnn("export", "lenet5", "--target", "tflite,openvino", "--fp16", "--dry-run")
    assert "onnx (fp32), tflite (fp32, fp16), openvino (fp32, fp16)" in ran.stdout


def test_among_all_there_is_a_plan_where_there_are_8_bits(edgecnn: Run) -> None:
    command = ("export", "lenet5", "--target", "all", "--dry-run")
    assert "native" not in edgecnn(*command).stdout
    assert "native (int8)" in edgecnn(*command, *INT8).stdout
