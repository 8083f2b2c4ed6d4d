"""``edgecnn bundle``, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

from e2e.conftest import Run

BUNDLES = Path(__file__).parents[1] / "data/bundles"


def test_show_prints_a_table_and_a_document(edgecnn: Run) -> None:
    ran = edgecnn("bundle", "show", BUNDLES / "lenet5.edge")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "model.int8.tflite" in ran.stdout
    document = json.loads(edgecnn("bundle", "show", BUNDLES / "lenet5.edge", "--json").stdout)
    assert document["schema"] == "edgecnn.bundle-show/1"


def test_show_of_what_is_no_bundle_is_refused_in_one_line(edgecnn: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    ran = edgecnn("bundle", "show", tmp_path / "notes.txt")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.count("\n") == 1


def test_strip_writes_a_bundle_that_verify_calls_unproven(edgecnn: Run, tmp_path: Path) -> None:
    app = tmp_path / "app.edge"
    ran = edgecnn("bundle", "strip", BUNDLES / "separable.edge", "-o", app, "--keep", "model.onnx")
    assert (ran.returncode, ran.stderr) == (0, "")
    verified = edgecnn("verify", app)
    assert verified.returncode == 1
    assert "no answer can be verified" in verified.stderr
    assert "equal" not in verified.stdout.replace("all of one graph", "")


def test_strip_over_the_bundle_itself_wants_in_place(edgecnn: Run, tmp_path: Path) -> None:
    path = tmp_path / "x.edge"
    path.write_bytes((BUNDLES / "separable.edge").read_bytes())
    for options in ((), ("-o", path), ("-o", tmp_path / "y.edge", "--in-place")):
        assert edgecnn("bundle", "strip", path, *options).returncode == 2
    assert edgecnn("bundle", "strip", path, "--in-place").returncode == 0
    assert path.stat().st_size < (BUNDLES / "separable.edge").stat().st_size


def test_extract_writes_a_folder(edgecnn: Run, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    ran = edgecnn("bundle", "extract", BUNDLES / "lenet5.edge", "model.onnx", "-o", folder)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert (folder / "Preprocess.kt").is_file()
    again = edgecnn("bundle", "extract", BUNDLES / "lenet5.edge", "-o", folder)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)


def test_bench_measures_a_plain_file_and_says_that_nothing_is_verified(
    edgecnn: Run, tmp_path: Path
) -> None:
    plain = BUNDLES / "two_outputs.onnx"
    options = ("--rounds", "8", "--cold-starts", "0", "--engine", "onnxruntime")
    ran = edgecnn("bench", plain, *options)
    assert ran.returncode == 0, ran.stderr
    assert "two_outputs.onnx" in ran.stdout
    assert "not verified" in ran.stdout
    document = json.loads(edgecnn("bench", plain, *options, "--json").stdout)
    (row,) = document["devices"][0]["rows"]
    assert (row["golden"], row["difference"]) == ("unproven", None)


def test_verify_compares_an_outside_file_with_the_golden_answers(
    edgecnn: Run, tmp_path: Path
) -> None:
    ran = edgecnn("verify", BUNDLES / "two_outputs.edge", "--against", BUNDLES / "two_outputs.onnx")
    assert ran.returncode == 0, ran.stderr
    assert "two_outputs.onnx" in ran.stdout
    other = edgecnn("verify", BUNDLES / "lenet5.edge", "--against", BUNDLES / "two_outputs.onnx")
    assert (other.returncode, other.stderr.count("\n")) == (1, 1)
    assert "not forms of one network" in other.stderr.replace("\n", " ")
    refused = edgecnn("verify", BUNDLES / "lenet5.edge", "--against", "x.onnx", "--data", "mnist")
    assert refused.returncode == 2
