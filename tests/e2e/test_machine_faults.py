"""A machine that fails: full disks, terminals without characters, names that are not UTF-8."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema
from e2e.conftest import EDGECNN, PHOTOGRAPHS, Run

from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle

KEPT = Path(__file__).parents[1] / "data/bundles"
LENET = KEPT / "lenet5.edge"
CAT = PHOTOGRAPHS / "cat.jpg"
SHORT = ("--engine", "onnxruntime", "--precision", "fp32", "--threads", "1", "--rounds", "8")
BENCH = ("bench", LENET, *SHORT, "--cold-starts", "0", "-q")
EXPORT = ("export", KEPT / "two_outputs.onnx", "--preprocess", "none", "-q")
# Linux gives a name's bytes to Python as such characters where they are not UTF-8.
ODD = "caf\udce9"


def failure(ran: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr of a command that failed."""
    assert ran.returncode == 1, ran.stderr + ran.stdout
    (line,) = ran.stderr.splitlines()
    assert line.startswith("edgecnn: ")
    return line


@pytest.fixture
def disk() -> Iterator[Path]:
    """A disk of 4 MB of its own, where the test may mount one."""
    folder = Path(tempfile.mkdtemp())
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        folder.rmdir()
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def fill(disk: Path, left: int) -> None:
    """Fill the disk but for `left` bytes."""
    room = os.statvfs(disk)
    (disk / "full").write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - left)))


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_full_disk_under_a_bundle_leaves_nothing_of_it(edgecnn: Run, disk: Path) -> None:
    fill(disk, 20_000)
    line = failure(edgecnn(*EXPORT, "-o", disk / "x.edge"))
    assert "no space left on device" in line
    assert names(disk) == {"full"}


def test_a_full_folder_for_temporary_files_is_named(
    edgecnn: Run, disk: Path, tmp_path: Path
) -> None:
    fill(disk, 8192)
    line = failure(edgecnn(*EXPORT, "--target", "openvino", "-o", "x.edge", TMPDIR=str(disk)))
    assert f"cannot keep temporary files in {disk}: no space left on device" in line
    assert names(tmp_path) == set()
    assert names(disk) <= {"full", ".ses"}


def test_a_full_disk_under_results_keeps_the_rounds_that_are_whole(
    edgecnn: Run, disk: Path
) -> None:
    fill(disk, 8192)
    results = disk / "r.jsonl"
    line = failure(edgecnn(*BENCH, "-o", results))
    assert f"{results} cannot be written: no space left on device; free some space" in line
    assert "--resume continues" in line
    lines = results.read_text().splitlines()
    assert any(json.loads(one).get("event") == "round" for one in lines)
    (disk / "full").unlink()
    assert edgecnn(*BENCH, "-o", results, "--resume").returncode == 0


def test_results_without_a_round_are_not_left_behind(edgecnn: Run, disk: Path) -> None:
    fill(disk, 0)
    assert "no space left on device" in failure(edgecnn(*BENCH, "-o", disk / "r.jsonl"))
    assert names(disk) == {"full"}


@pytest.mark.parametrize(
    "arguments",
    [("zoo", "lenet5", "--plot"), (*BENCH, "--plot")],
    ids=["zoo", "bench"],
)
def test_a_full_disk_under_a_plot_leaves_nothing_of_it(
    edgecnn: Run, disk: Path, arguments: tuple[str | Path, ...]
) -> None:
    fill(disk, 0)
    ran = edgecnn(*arguments, disk / "x.png")
    assert "no space left on device" in failure(ran)
    assert names(disk) == {"full"}


def test_a_full_disk_under_the_devices_keeps_the_old_file(edgecnn: Run, disk: Path) -> None:
    add = ("devices", "add", "--no-check", "--python", "/usr/bin/python3")
    (disk / "room").write_bytes(bytes(4096))
    assert edgecnn(*add, "one", EDGECNN_CONFIG=str(disk)).returncode == 0
    before = (disk / "devices.toml").read_bytes()
    fill(disk, 0)
    line = failure(edgecnn(*add, "two" * 20, EDGECNN_CONFIG=str(disk)))
    assert "EDGECNN_CONFIG names another folder" in line
    assert (disk / "devices.toml").read_bytes() == before
    assert not list(disk.glob("*.part"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [
        ("zoo",),
        ("zoo", "--json"),
        ("run", LENET, CAT, "--engine", "onnxruntime"),
        BENCH,
    ],
    ids=lambda words: " ".join(word for word in words if isinstance(word, str)),
)
def test_a_result_that_is_lost_is_no_success(
    edgecnn: Run, arguments: tuple[str | Path, ...]
) -> None:
    line = failure(edgecnn(*arguments, stdout="/dev/full"))
    assert "the result cannot be written on stdout: no space left on device" in line


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("zoo",),
        ("run", LENET, CAT, "--json"),
        ("verify", LENET, "--engine", "onnxruntime"),
        ("zoo", "--help"),
    ],
    ids=lambda words: " ".join(word for word in words if isinstance(word, str)),
)
def test_a_terminal_of_few_characters_is_no_failure(
    edgecnn: Run, arguments: tuple[str | Path, ...], encoding: str
) -> None:
    ran = edgecnn(*arguments, PYTHONIOENCODING=encoding)  # decoded as that
    assert (ran.returncode, "Traceback" in ran.stderr) == (0, False), ran.stderr
    assert ran.stdout


def test_a_locale_of_ascii_alone_is_no_failure(tmp_path: Path) -> None:
    shutil.copy(LENET, tmp_path / "é.edge")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ran = subprocess.run(
        [EDGECNN, "run", tmp_path / "é.edge", CAT, "--engine", "onnxruntime"],
        env=os.environ | ascii_only,
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0
    assert ran.stderr.startswith(b"answered by model.")  # what was taken, and why
    assert ran.stderr.count(b"\n") == 1
    assert (ran.stdout + ran.stderr).isascii()


def test_images_and_bundles_may_have_names_that_are_not_utf8(edgecnn: Run, tmp_path: Path) -> None:
    bundle, image = tmp_path / f"{ODD}.edge", tmp_path / f"{ODD}.jpg"
    shutil.copy(LENET, bundle)
    shutil.copy(CAT, image)
    ran = edgecnn("run", bundle, image, "--engine", "onnxruntime")
    assert ran.returncode == 0, ran.stderr
    assert "caf\\xe9.jpg" in ran.stdout.replace("\n", "").replace(" ", "")
    ran = edgecnn("run", bundle, image, "--engine", "onnxruntime", "--json")
    (listed,) = json.loads(ran.stdout)["images"]
    assert Path(listed["image"]) == image
    results = tmp_path / f"{ODD}.jsonl"
    bench = ("bench", bundle, *SHORT, "--cold-starts", "0", "-o", results)
    assert edgecnn(*bench).returncode == 0
    assert str(bundle) in json.loads(results.read_text().splitlines()[0])["bundles"]
    assert edgecnn("verify", bundle, "--engine", "onnxruntime", "--json").returncode == 0
    image.write_bytes(b"no image")
    assert "caf\\udce9.jpg' is in no format" in failure(edgecnn("run", bundle, image))


def test_an_onnx_file_of_such_a_name_becomes_a_bundle_that_is_utf8(
    edgecnn: Run, tmp_path: Path
) -> None:
    shutil.copy(KEPT / "two_outputs.onnx", tmp_path / f"{ODD}.onnx")
    export = ("export", f"{ODD}.onnx", "--preprocess", "none", "--target", "tflite", "-q")
    assert "its name is not UTF-8 text" in failure(edgecnn(*export))
    ran = edgecnn(*export, "-o", "x.edge")
    assert ran.returncode == 0, ran.stderr
    ran = edgecnn("verify", "x.edge", "--engine", "onnxruntime")
    assert ran.returncode == 0, ran.stderr


def test_a_device_whose_interpreter_has_such_a_name_is_refused(
    edgecnn: Run, tmp_path: Path
) -> None:
    add = ("devices", "add", "own", "--no-check", "--python", tmp_path / ODD)
    line = failure(edgecnn(*add, EDGECNN_CONFIG=str(tmp_path / "configuration")))
    assert "is not UTF-8" in line
    assert not list((tmp_path / "configuration").glob("*devices.toml*part"))


def test_a_bench_that_measures_nothing_is_no_success(edgecnn: Run, tmp_path: Path) -> None:
    with Bundle(LENET) as bundle:
        manifest = bundle.manifest
        files = {name: bundle.read(name) for name in manifest.files}
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(files["model.tflite"]))
    model.operatorCodes[0].version = 99
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    floats = tuple(each for each in manifest.artefacts if each.precision == "fp32")
    changed = files | {"model.tflite": bytes(builder.Output())}
    write_bundle(tmp_path / "x.edge", replace(manifest, artefacts=floats), changed)
    chosen = ("--precision", "fp32", "--threads", "1", "--rounds", "8", "--cold-starts", "0")
    ran = edgecnn("bench", "x.edge", *chosen, "--engine", "tflite")
    assert "REFUSED" in ran.stdout
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    # Before it, a busy machine is told of one that was disturbed.
    last = ran.stderr.splitlines()[-1]
    assert last.startswith(
        "edgecnn: host: nothing of x.edge was measured: tflite refuses the model"
    )
