"""The command line as one language: help, JSON, exit codes, stdout and stderr."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from e2e.conftest import PHOTOGRAPHS, TINY, Run

from edgecnn.cli import COMMANDS
from edgecnn.model.description import read_description
from edgecnn.model.weights import find_weights
from edgecnn.zoo import ARCHITECTURES
from edgecnn_runtime.bundle import Bundle


def document(ran, schema: str):  # type: ignore[no-untyped-def]
    """The one JSON document on stdout, in JSON as it is written down."""
    found = json.loads(ran.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert found["schema"] == schema
    return found


@pytest.mark.parametrize(
    "command",
    [*(name for name in COMMANDS if name != "bundle")]
    + [f"bundle {name}" for name in ("show", "extract", "strip")],
)
def test_help_has_an_example_and_json(edgecnn: Run, command: str) -> None:
    ran = edgecnn(*command.split(), "--help")
    assert ran.returncode == 0
    assert f"edgecnn {command}" in ran.stdout.partition("Example")[2]
    assert "--json" in ran.stdout
    assert "--quiet" in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80


def test_a_network_of_ones_own_goes_all_the_way(edgecnn: Run, tiny_bundle: Path) -> None:
    ran = edgecnn("run", tiny_bundle, PHOTOGRAPHS / "cat.jpg", "--json")
    (image,) = document(ran, "edgecnn.run/1")["images"]
    assert {found["label"] for found in image["classes"]} == {"class 0", "class 1"}
    rows = document(edgecnn("verify", tiny_bundle, "--json"), "edgecnn.verify/1")["rows"]
    assert {row["verdict"] for row in rows} == {"equal"}


def test_export_speaks_json_and_keeps_its_provenance(edgecnn: Run, tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(TINY)
    command = ("export", "nets:build", "--input", "1x3x32x32", "--labels", "names.txt")
    (tmp_path / "names.txt").write_text("left\nright\n")
    ran = edgecnn(*command, "--batch", "2", "-o", "x.edge", "--json")
    found = document(ran, "edgecnn.export/1")
    assert found["inputs"] == [{"name": "input", "dtype": "float32", "shape": [2, 3, 32, 32]}]
    assert found["size_bytes"] == (tmp_path / "x.edge").stat().st_size
    assert "imagenet' is assumed" in ran.stderr
    assert "--labels" not in ran.stderr
    with Bundle(tmp_path / "x.edge") as bundle:
        provenance = bundle.manifest.provenance
        assert provenance["command"] == f"edgecnn {' '.join(command)} --batch 2 --json"
        assert provenance["source"] == {"factory": "nets:build", "weights": "as built"}
        assert provenance["capture"] == [{"exporter": "dynamo", "outcome": "agrees with PyTorch"}]
        assert {"torch", "onnx", "onnxruntime", "edgecnn"} <= set(provenance["versions"])
        assert bundle.labels() == ("left", "right")


def test_an_export_called_from_python_records_the_words_that_it_was_given(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(TINY)
    words = ["export", "nets:build", "--input", "1x3x32x32", "--output=x.edge", "-q"]
    code = f"from edgecnn.cli import main; main({words!r})"
    ran = [sys.executable, "-c", code, "words", "of", "another"]
    subprocess.run(ran, cwd=tmp_path, check=True, capture_output=True)
    with Bundle(tmp_path / "x.edge") as bundle:
        command = bundle.manifest.provenance["command"]
    assert command == "edgecnn export nets:build --input 1x3x32x32 -q"


def test_labels_that_name_nothing_are_told(edgecnn: Run, own: None, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("left\nright\n")
    ran = edgecnn(
        *("export", "own:build", "--input", "1x3x8x8", "--preprocess", "none"),
        *("--labels", "names.txt", "-o", "x.edge"),
    )
    assert ran.returncode == 0, ran.stderr
    assert "note: --labels names.txt is left out: " in ran.stderr


def test_a_dry_run_prints_the_plan_and_writes_nothing(edgecnn: Run, tmp_path: Path) -> None:
    ran = edgecnn("export", "mobilenet_v2", "--dry-run", "--json")
    plan = document(ran, "edgecnn.plan/1")
    assert plan["input"] == "Nx3x224x224"
    assert plan["weights"] == "imagenet"
    assert list(tmp_path.iterdir()) == []


def test_an_onnx_file_goes_all_the_way(edgecnn: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    with Bundle(tiny_bundle) as bundle:
        (tmp_path / "net.onnx").write_bytes(bundle.read("model.onnx"))
    assert edgecnn("export", "net.onnx", "--preprocess", "unit", "-q").returncode == 0
    assert edgecnn("verify", "net.edge").returncode == 0


def test_verify_of_a_model_that_differs_exits_with_3(
    edgecnn: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    import numpy as np

    from edgecnn_runtime.bundle.write import npy, write_bundle

    with Bundle(tiny_bundle) as bundle:
        files = {name: bundle.read(name) for name in bundle.manifest.files}
        files["golden/0.output0.npy"] = npy(np.array([[9.0, -9.0]], np.float32))
        write_bundle(tmp_path / "wrong.edge", bundle.manifest, files)
    ran = edgecnn("verify", "wrong.edge")
    assert ran.returncode == 3
    assert "differs" in ran.stdout
    ran = edgecnn("bench", "wrong.edge")
    assert ran.returncode == 3
    assert "WRONG: model.onnx on onnxruntime" in ran.stdout
    assert "nothing was timed" in ran.stdout


def test_bench_measures_and_keeps_raw_samples(edgecnn: Run, tiny_bundle: Path) -> None:
    ran = edgecnn("bench", tiny_bundle, "--rounds", "8", "--cold-starts", "1", "--json")
    assert ran.returncode == 0, ran.stderr
    (device,) = document(ran, "edgecnn.bench/2")["devices"]
    assert device["device"] == "host"
    (row,) = device["rows"]
    assert (row["artefact"], row["golden"], row["verdict"]) == ("model.onnx", "equal", "baseline")
    assert len(row["latency"]["samples_ms"]) >= 8
    assert len(row["cold"]["samples_ms"]) == 1
    assert device["host"]["cores"] >= 1


def test_bench_of_two_bundles_gives_a_verdict(
    edgecnn: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    shutil.copy(tiny_bundle, tmp_path / "new.edge")
    ran = edgecnn("bench", "new.edge", "--against", tiny_bundle, "--cold-starts", "0", "--json")
    (device,) = document(ran, "edgecnn.bench/2")["devices"]
    new, old = device["rows"]
    assert (new["bundle"], old["bundle"]) == ("new.edge", tiny_bundle.name)
    code = {"slower": 4, "tainted": 5}.get(new["comparison"]["verdict"], 0)
    assert ran.returncode == code


def test_a_bench_is_compared_with_an_earlier_one(edgecnn: Run, tiny_bundle: Path) -> None:
    short = ("bench", tiny_bundle, "--rounds", "8", "--cold-starts", "0", "--threads", "1")
    assert edgecnn(*short, "-o", "earlier.jsonl").returncode == 0
    ran = edgecnn(*short, "--compare", "earlier.jsonl")
    assert ran.returncode in {0, 4, 5}
    assert "× the earlier latency (99 % interval" in ran.stdout


def test_a_bench_as_csv_is_a_line_for_each_row(edgecnn: Run, tiny_bundle: Path) -> None:
    ran = edgecnn("bench", tiny_bundle, "--rounds", "8", "--cold-starts", "0", "--csv")
    (row,) = csv.DictReader(ran.stdout.splitlines())
    assert float(row["low_ms"]) <= float(row["median_ms"]) <= float(row["high_ms"])
    assert (row["device"], row["artefact"], row["golden"]) == ("host", "model.onnx", "equal")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--threads", "4096"), "is not a number of threads"),
        (("--threads", ","), "is not a number of threads"),
        (("--threads", "1000"), "is more than the"),
        (("--engine", "openvino"), "has no artefact for openvino; it has model.onnx; export it"),
        (("--engine", "native"), "export it again with --quantize int8 --target native"),
        (("--precision", "int8"), "has no artefact in int8; it has model.onnx (fp32)"),
        (("--engine", "warp"), "no engine is called 'warp'; there are onnxruntime"),
        (("--sustained", "soon"), "is not a duration; write it as 90s, 30m or 2h"),
        (("--compare", "none.jsonl"), "none.jsonl cannot be read"),
        (("--resume", "--rounds", "9"), "nothing to resume"),
        (("--csv", "--json"), "exclude each other"),
        (("--device", "rpi"), "edgecnn devices add rpi pi@raspberrypi.local"),
        (("--device", "hots"), "did you mean host"),
    ],
)
def test_a_bench_that_cannot_be_says_why(
    edgecnn: Run, tiny_bundle: Path, arguments: tuple[str, ...], message: str
) -> None:
    ran = edgecnn("bench", tiny_bundle, *arguments)
    assert ran.returncode in {1, 2}
    assert message in " ".join(ran.stderr.split())
    assert "Traceback" not in ran.stderr


def test_doctor_says_what_is_here(edgecnn: Run) -> None:
    ran = edgecnn("doctor", "--json")
    checks = {check["what"]: check for check in document(ran, "edgecnn.doctor/1")["checks"]}
    assert [what for what in checks if what.startswith("engine ")] == [
        "engine onnxruntime",
        "engine openvino",
        "engine tflite",
        "engine native",
    ]
    assert all(check["ok"] for what, check in checks.items() if what.startswith("engine "))
    assert checks["torch"]["found"]
    assert ran.returncode == 0
    assert len(json.loads(ran.stdout)["order"]) == 10


def test_zoo_lists_and_describes(edgecnn: Run) -> None:
    assert "mobilenet_v2" in edgecnn("zoo").stdout
    (network,) = document(edgecnn("zoo", "lenet5", "--json"), "edgecnn.zoo/2")["networks"]
    assert network["parameters"] == 61706


def test_quiet_says_nothing_on_stderr(edgecnn: Run, tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(TINY)
    ran = edgecnn("export", "nets:build", "--input", "1x3x32x32", "-q")
    assert ran.returncode == 0
    assert ran.stderr == ""


@pytest.mark.slow
@pytest.mark.network
def test_a_bundle_is_as_accurate_as_its_training_said(edgecnn: Run, tmp_path: Path) -> None:
    ran = edgecnn("export", "lenet5_relu", "--weights", "mnist", "-o", "lenet.edge")
    assert ran.returncode == 0, ran.stderr
    ran = edgecnn("evaluate", "lenet.edge", "--data", "mnist", "--against", "lenet.edge", "--json")
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout)
    said = read_description(find_weights(ARCHITECTURES["lenet5_relu"], "mnist", quiet=True).path)
    assert said is not None
    assert result["images"] == 10_000
    baseline, row = result["rows"]
    assert row["top1"]["count"] == said.training["test"]["right"]
    assert row["top1"] == baseline["top1"]
    assert row["paired"]["agreement"]["count"] == 10_000
    assert row["paired"]["p"] == 1.0


def test_evaluate_reads_folders_and_says_what_it_left_out(
    edgecnn: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        shutil.copy(PHOTOGRAPHS / "cat.jpg", tmp_path / "pets" / name / "a.jpg")
    (tmp_path / "pets" / "dog" / "b.jpg").write_bytes(b"no image")
    ran = edgecnn("evaluate", tiny_bundle, "--data", "pets")
    assert ran.returncode == 0, ran.stderr
    assert "n = 2 images of pets" in ran.stdout
    # One of the two is right, whichever the network takes it for.
    assert "50.00%" in ran.stdout
    assert "in the order of their names: cat is 0, dog is 1" in ran.stderr
    assert "1 of 3 images cannot be read" in ran.stderr
    refused = edgecnn("evaluate", tiny_bundle, "--data", "pets", "--strict")
    assert refused.returncode == 1
    assert "b.jpg' is in no format that Pillow reads" in refused.stderr
    assert "without --strict it is left out" in refused.stderr
    (tmp_path / "names.txt").write_text("cat 1\ndog 7\n")
    refused = edgecnn("evaluate", tiny_bundle, "--data", "pets", "--classes", "names.txt")
    assert refused.returncode == 1
    assert "dog is class 7, expected 0 to 1" in refused.stderr
