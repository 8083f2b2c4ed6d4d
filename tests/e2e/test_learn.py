"""`edgecnn learn`: what is learnt, what is written, and what cannot be learnt."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from e2e.conftest import EDGECNN, Run
from e2e.fork_server import ForkServer
from e2e.learning import BOUNDED, COLOURS, UNBOUNDED, colour_folders, export_learning
from e2e.test_bad_input import refusal
from e2e.test_machine_faults import disk as disk  # noqa: PLC0414 # a fixture
from e2e.test_machine_faults import fill

import edgecnn_runtime
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.safetensors import read_safetensors

BUNDLES = Path(__file__).parents[1] / "data/bundles"


@pytest.fixture(scope="session")
def learning_bundle(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> Path:
    """Its last layer is learnt, and its int8 artefact is written anew."""
    options = ("--learn", "head", "--momentum", "0.9", "--quantize", "int8", "--calibrate", "seen")
    return export_learning(
        *(tmp_path_factory, fork_server, BOUNDED, *options),
        *("--recipe", "fast", "--allow-weak", "--no-measure", "--target", "tflite"),
    )


@pytest.fixture(scope="session")
def whole_bundle(tmp_path_factory: pytest.TempPathFactory, fork_server: ForkServer) -> Path:
    """All of it is learnt, with the statistics of each batch."""
    options = ("--learn", "all", "--learn-norm", "batch")
    return export_learning(tmp_path_factory, fork_server, UNBOUNDED, *options)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve images of each of three colours."""
    return colour_folders(tmp_path_factory.mktemp("photos") / "photos", COLOURS, 12)


@pytest.fixture
def folder(learning_bundle: Path, whole_bundle: Path, photos: Path, tmp_path: Path) -> Path:
    """The folder that `edgecnn` runs in, with bundles and images."""
    shutil.copy(learning_bundle, tmp_path / "learns.edge")
    shutil.copy(whole_bundle, tmp_path / "whole.edge")
    shutil.copytree(photos, tmp_path / "photos")
    shutil.copytree(photos, tmp_path / "two", ignore=shutil.ignore_patterns("blue"))
    return tmp_path


def parameters(path: Path) -> dict[str, bytes]:
    """What was learnt in a bundle, by name."""
    with Bundle(path) as bundle:
        training = bundle.manifest.training
        assert training is not None
        values = read_safetensors(bundle.read(training.values))
        return {spec.name: values[spec.name].tobytes() for spec in bundle.manifest.parameters}


def test_the_bundles_classes_are_learnt_and_both_artefacts_answer_so(
    edgecnn: Run, folder: Path
) -> None:
    before = (folder / "learns.edge").read_bytes()
    ran = edgecnn("learn", "learns.edge", "--data", "two", "--epochs", "20", "--batch", "6")
    assert ran.returncode == 0, ran.stderr
    assert "epoch 1/20  loss " in ran.stderr
    fp32, int8 = (line for line in ran.stdout.splitlines() if line.startswith(("fp32", "int8")))
    for line in (fp32, int8):
        assert "50.00% (15.00–85.00)   100.00% (51.01–100.00)" in line
    assert "20 images of two, 4 held out" in ran.stdout
    assert "model.int8.tflite, model.tflite: made from the weights before" in ran.stdout
    assert ran.stdout.endswith("next      edgecnn run learns.learnt.edge photo.jpg\n")
    assert (folder / "learns.edge").read_bytes() == before
    assert not list(folder.glob("*.learning"))
    ran = edgecnn("verify", "learns.learnt.edge")
    assert ran.returncode == 0, ran.stdout
    with edgecnn_runtime.open(folder / "learns.learnt.edge", precision="int8") as model:
        for colour in ("red", "green"):
            best = model.classify(folder / "two" / colour / "0.png", 1)[0]
            assert best.label == colour
    with Bundle(folder / "learns.learnt.edge") as bundle:
        (entry,) = bundle.manifest.provenance["learnt"]
    assert entry["held_out"]["after"] == 1


def test_other_folders_are_new_classes(edgecnn: Run, folder: Path) -> None:
    ran = edgecnn(
        *("learn", "learns.edge", "--data", "photos", "--epochs", "25", "-o", "three.edge"),
        "--json",
    )
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    assert document["labels"] == ["blue", "green", "red"]
    assert [row["before"] for row in document["rows"]] == [None, None]
    assert document["rows"][0]["after"]["share"] > 0.8
    assert "begins anew for 3 classes, the folders: blue, green, red" in document["notes"][0]
    assert document["history"][0]["held_out_loss"] == pytest.approx(np.log(3))
    ran = edgecnn("run", "three.edge", "photos/blue/3.png", "--json")
    (image,) = json.loads(ran.stdout)["images"]
    assert {each["label"] for each in image["classes"]} == {"blue", "green", "red"}


def test_test_images_of_their_own_judge(edgecnn: Run, folder: Path) -> None:
    shutil.copytree(folder / "two", folder / "parted" / "train")
    shutil.copytree(folder / "two", folder / "parted" / "test")
    command = ("learn", "learns.edge", "--data", "parted", "--epochs", "2")
    document = json.loads(edgecnn(*command, "--json").stdout)
    assert (document["images"], document["held_out"]) == (24, 24)
    line = refusal(edgecnn(*command, "--held-out", "0.3"), code=2)
    assert "parted has test images of its own, which judge; leave it out" in line


def test_broken_images_are_left_out_and_counted(edgecnn: Run, folder: Path) -> None:
    (folder / "two/red/0.png").write_bytes(b"no image")
    (folder / "two/red/notes.txt").write_text("notes")
    command = ("learn", "learns.edge", "--data", "two", "--epochs", "1")
    ran = edgecnn(*command)
    assert "1 of 24 images cannot be read, left out:" in ran.stderr
    assert "left out, being no images of a class: red/notes.txt" in ran.stderr
    assert "19 images of two, 4 held out" in ran.stdout
    assert "without --strict it is left out" in refusal(edgecnn(*command, "--strict"))


def test_a_bundle_is_replaced_where_that_is_said(edgecnn: Run, folder: Path) -> None:
    shutil.move(folder / "learns.edge", folder / "mine.learnt.edge")
    command = ("learn", "mine.learnt.edge", "--data", "two", "--epochs", "2")
    before = (folder / "mine.learnt.edge").read_bytes()
    line = refusal(edgecnn(*command))
    assert "would be replaced by what is learnt from it; give -o mine.learnt.edge" in line
    assert (folder / "mine.learnt.edge").read_bytes() == before
    ran = edgecnn(*command, "-o", "mine.learnt.edge")
    assert ran.returncode == 0, ran.stderr
    once = (folder / "mine.learnt.edge").read_bytes()
    assert once != before
    assert edgecnn(*command, "--force").returncode == 0
    with Bundle(folder / "mine.learnt.edge") as bundle:
        assert len(bundle.manifest.provenance["learnt"]) == 2


def wait_until_kept(process: subprocess.Popen[bytes], state: Path, times: int) -> None:
    """Wait until the state was replaced so often since now, or the process has ended."""
    last = state.stat().st_ino if state.exists() else None
    while times and process.poll() is None:
        now = state.stat().st_ino if state.exists() else None
        times -= now != last
        last = now
        time.sleep(0.001)


@pytest.mark.parametrize(("name", "times"), [("learns.edge", 4), ("whole.edge", 1)])
def test_a_killed_learning_goes_on_to_the_same_bytes(
    edgecnn: Run, folder: Path, name: str, times: int
) -> None:
    command = ["learn", name, "--data", "photos", "--epochs", "40", "--patience", "40", "-q"]
    whole = edgecnn(*command, "-o", "whole-run.edge")
    assert whole.returncode == 0, whole.stderr
    state, resumed = folder / "killed.edge.learning", ["-o", "killed.edge", "--resume"]
    process = subprocess.Popen([EDGECNN, *command, "-o", "killed.edge"], cwd=folder)
    wait_until_kept(process, state, times)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "killed.edge").exists()
    ran = edgecnn(*command, *resumed)
    assert ran.returncode == 0, ran.stderr
    assert parameters(folder / "killed.edge") == parameters(folder / "whole-run.edge")
    assert (folder / "killed.edge").read_bytes() == (folder / "whole-run.edge").read_bytes()
    assert not state.exists()
    assert "nothing to resume: killed.edge.learning is not there" in refusal(
        edgecnn(*command, *resumed)
    )


def test_a_step_is_measured_in_turn_with_an_inference(edgecnn: Run, folder: Path) -> None:
    ran = edgecnn(
        *("bench", "learns.edge", "--learn", "--batch", "6", "--rounds", "8", "--threads", "1"),
        *("--cold-starts", "1", "--json"),
    )
    assert ran.returncode == 0, ran.stderr
    ((inference, step),) = [each["rows"] for each in json.loads(ran.stdout)["devices"]]
    assert (inference["artefact"], step["artefact"]) == ("model.int8.onnx", "model.train.onnx")
    assert (inference["is_learning"], step["is_learning"]) == (False, True)
    assert inference["batch"] == step["batch"] == 6
    assert step["golden"] == "equal"
    assert step["against"] == 0
    assert step["comparison"]["ratio"] > 1
    for row in (inference, step):
        assert 0 < row["cold"]["base_memory_bytes"] < row["cold"]["peak_memory_bytes"]


def test_what_a_step_is_not_measured_for_is_said(
    edgecnn: Run, folder: Path, tiny_bundle: Path
) -> None:
    for typed, code, says in (
        (f"{tiny_bundle} --learn", 1, "edgecnn export MODEL --learn head writes one"),
        ("learns.edge --batch 6", 2, "--batch: only with --learn"),
        ("learns.edge --learn --engine tflite", 2, "onnxruntime alone runs a step of --learn"),
        ("learns.edge --learn --precision fp16", 1, "no ONNX artefact in fp16"),
        ("learns.edge --learn --against whole.edge", 2, "--against: not with --learn"),
    ):
        assert says in refusal(edgecnn("bench", *typed.split()), code=code)


def test_a_full_disk_leaves_the_bundle_that_was_there(
    edgecnn: Run, folder: Path, disk: Path
) -> None:
    shutil.copy(folder / "learns.edge", disk / "mine.edge")
    before = (disk / "mine.edge").read_bytes()
    fill(disk, 2000)
    command = ("learn", disk / "mine.edge", "--data", "two", "--epochs", "2", "-q")
    line = refusal(edgecnn(*command, "-o", disk / "mine.edge"))
    assert "no space left on device" in line
    assert "what was there before is unchanged" in line
    assert (disk / "mine.edge").read_bytes() == before
    assert {path.name for path in disk.iterdir()} <= {"mine.edge", "full", "mine.edge.learning"}


REFUSED = [
    ("learns.edge --data two/red", 1, "holds 12 images but no folders"),
    ("learns.edge --data gone", 1, "no data set or folder is called 'gone'"),
    ("learns.edge --data one", 1, "has only one class, red; expected the folders of two"),
    ("learns.edge --data few", 1, "class green of few has 1 image, expected two or more"),
    ("learns.edge --data two --classes wrong.txt", 1, "green is class 7, expected 0 to 1"),
    ("learns.edge --data photos --labels bundle", 1, "blue: not among the bundle's labels"),
    ("learns.edge --data two --batch 21", 2, "more than the 20 images to learn from; give --batch"),
    ("whole.edge --data two --batch 1", 2, "give --batch 2 or more, or edgecnn export MODEL"),
    (
        "whole.edge --data two --lr 9e5 --batch 2",
        1,
        "nothing was written; give --learning-rate 90000",
    ),
    ("learns.edge --data two -o gone/mine.edge", 1, "the folder gone does not exist"),
    ("learns.edge --data two -o mine.onnx", 1, "writes a bundle, which holds the .onnx file"),
    (
        "learns.edge --data two -o other.edge",
        1,
        "is a bundle of lenet5, not of build; give --force",
    ),
    ("learns.edge --data two --resume", 1, "nothing to resume: learns.learnt.edge.learning is not"),
    ("two --data two", 1, "it is a folder, expected a bundle's file"),
]


@pytest.mark.parametrize(("typed", "code", "says"), REFUSED)
def test_what_cannot_be_learnt_is_said_in_one_sentence(
    edgecnn: Run, folder: Path, typed: str, code: int, says: str
) -> None:
    shutil.copytree(folder / "two", folder / "one", ignore=shutil.ignore_patterns("green"))
    shutil.copytree(folder / "two", folder / "few")
    for path in (folder / "few/green").glob("[1-9]*.png"):
        path.unlink()
    (folder / "wrong.txt").write_text("red 0\ngreen 7\n")
    shutil.copy(BUNDLES / "lenet5.edge", folder / "other.edge")
    line = refusal(edgecnn("learn", *typed.split()), code=code)
    assert says in line
    assert len(line) <= 3 * 80, "more than three lines of a terminal"
    assert not list(folder.glob("*.learnt.edge*"))
