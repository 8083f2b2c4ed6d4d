"""The mistakes that a tired person makes: each one line that says what to do, never a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from e2e.conftest import EDGECNN, PHOTOGRAPHS, TINY, Run
from PIL import Image


def refusal(ran: subprocess.CompletedProcess[str], code: int = 1) -> str:
    """The one line on stderr, of a run that was refused with `code`."""
    assert ran.returncode == code, ran.stderr + ran.stdout
    assert "Traceback" not in ran.stderr
    assert ran.stdout == ""
    lines = ran.stderr.strip().splitlines()
    if code == 1:
        assert len(lines) == 1, ran.stderr
        assert lines[0].startswith("edgecnn: ")
    return lines[-1]


@pytest.mark.parametrize(
    ("typed", "near"),
    [("mobilnet_v2", "mobilenet_v2"), ("MobileNet-V2", "mobilenet_v2"), ("lenet", "lenet5")],
)
def test_an_unknown_model_is_answered_with_the_nearest(edgecnn: Run, typed: str, near: str) -> None:
    assert f"did you mean {near}" in refusal(edgecnn("export", typed))


def test_a_model_like_no_other_is_answered_with_where_they_are_listed(edgecnn: Run) -> None:
    assert "edgecnn zoo lists them" in refusal(edgecnn("export", "zzz"))


def test_missing_weights_are_answered_with_the_choices(edgecnn: Run) -> None:
    line = refusal(edgecnn("export", "vgg13"))
    assert "no published weights" in line
    assert "--weights random" in line
    line = refusal(edgecnn("export", "mobilenet_v2", "--weights", "imagnet"))
    assert "no weights called 'imagnet'; it has imagenet" in line
    assert "missing" in refusal(edgecnn("export", "lenet5", "--weights", "no.pth"))
    for option, value in (("--width", "0.5"), ("--classes", "10")):
        line = refusal(edgecnn("export", "mobilenet_v2", option, value))
        assert "published weights of mobilenet_v2 are for width 1 and 1000 classes" in line


def test_a_checkpoint_that_does_not_fit_is_explained(edgecnn: Run, tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(3)}, tmp_path / "other.pth")
    line = refusal(edgecnn("export", "lenet5", "--weights", "other.pth"))
    assert "10 missing: features.0.weight" in line
    assert "1 unexpected: fc.weight" in line


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch boom",)


def test_a_pickle_bomb_does_not_go_off(edgecnn: Run, tmp_path: Path) -> None:
    torch.save({"state_dict": Bomb()}, tmp_path / "bomb.pth")
    line = refusal(edgecnn("export", "lenet5", "--weights", "bomb.pth"))
    assert "holds more than weights (it calls posix.system)" in line
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("shape", ["224x224x3", "1x3x224x224x1", "224", "1x3xHxW", "1x0x4x4", ""])
def test_an_input_that_is_not_4d_is_a_wrong_option(edgecnn: Run, shape: str) -> None:
    line = refusal(edgecnn("export", "mobilenet_v2", "--input", shape), code=2)
    assert "1x3x224x224" in line or "axis of 0" in line


def test_a_network_that_does_not_fit_its_input_says_so(edgecnn: Run) -> None:
    line = refusal(edgecnn("export", "lenet5", "--weights", "random", "--input", "1x1x40x40"))
    assert "does not run on an input of 1x1x40x40" in line


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(edgecnn: Run, tmp_path: Path, bad: float) -> None:
    from edgecnn.zoo.lenet5 import lenet5

    weights = lenet5().state_dict()
    weights["features.3.weight"][2, 1] = bad
    torch.save(weights, tmp_path / "nan.pth")
    line = refusal(edgecnn("export", "lenet5", "--weights", "nan.pth"))
    assert "features.3.weight" in line
    assert "NaN or infinity" in line
    assert not (tmp_path / "lenet5.edge").exists()


def test_onnx_weights_that_are_not_finite_are_named(edgecnn: Run, tmp_path: Path) -> None:
    import onnx.parser

    text = """<ir_version: 8, opset_import: ["": 18]>
    g (float[N, 3, 8, 8] x) => (float[N, 3, 8, 8] y) <float[1] bias = {1.0}> { y = Add(x, bias) }"""
    model = onnx.parser.parse_model(text)
    model.graph.initializer[0].float_data[0] = float("nan")
    onnx.save(model, tmp_path / "nan.onnx")
    assert "weight bias holds NaN" in refusal(edgecnn("export", "nan.onnx"))


@pytest.mark.parametrize("output", ["none/x.edge", "/proc/x.edge"])
def test_a_folder_that_is_not_writable_is_named(edgecnn: Run, output: str) -> None:
    line = refusal(edgecnn("export", "lenet5", "--weights", "random", "-o", output))
    assert f"cannot write {output}" in line


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("nets:missing", "AttributeError"),
        ("nowhere:build", "No module named 'nowhere'"),
        ("nets:broken", "ValueError: no such layer"),
        ("nets:number", "returned int, expected a torch.nn.Module"),
        ("nets:build", "--input 1x3x224x224"),
    ],
)
def test_a_factory_that_leads_nowhere_is_explained(
    edgecnn: Run, tmp_path: Path, factory: str, says: str
) -> None:
    (tmp_path / "nets.py").write_text(TINY)
    options = () if factory == "nets:build" else ("--input", "1x3x32x32")
    assert says in refusal(edgecnn("export", factory, *options))


@pytest.mark.parametrize("content", [None, b"", b"not a model", bytes(500)])
def test_a_file_that_is_no_onnx_model_is_refused(
    edgecnn: Run, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "net.onnx").write_bytes(content)
    assert "net.onnx" in refusal(edgecnn("export", "net.onnx"))


def test_labels_that_do_not_fit_are_counted(edgecnn: Run, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a\nb\n")
    line = refusal(edgecnn("export", "lenet5", "--weights", "random", "--labels", "names.txt"))
    assert "10 outputs but 2 labels" in line


def test_an_unknown_command_or_option_exits_with_2(edgecnn: Run) -> None:
    assert edgecnn("exprot", "mobilenet_v2").returncode == 2
    assert edgecnn("export", "mobilenet_v2", "--wieghts", "x").returncode == 2
    assert edgecnn("export").returncode == 2


@pytest.mark.parametrize("command", ["run", "verify", "bench"])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_truncated_bundle_is_refused(
    edgecnn: Run, tiny_bundle: Path, tmp_path: Path, command: str, share: float
) -> None:
    content = tiny_bundle.read_bytes()
    (tmp_path / "cut.edge").write_bytes(content[: int(len(content) * share)])
    images = [PHOTOGRAPHS / "cat.jpg"] if command == "run" else []
    assert "truncated" in refusal(edgecnn(command, "cut.edge", *images))


def test_a_missing_bundle_is_answered_with_the_command_that_makes_one(edgecnn: Run) -> None:
    assert "edgecnn export" in refusal(edgecnn("verify", "none.edge"))


def picture(folder: Path, kind: str) -> Path:
    """The cat as another kind of image file."""
    cat = Image.open(PHOTOGRAPHS / "cat.jpg")
    path = folder / f"{kind}.png"
    if kind == "rgba":
        cat.putalpha(128)
    elif kind == "grey":
        cat = cat.convert("L")
    elif kind == "cmyk":
        path = folder / "cmyk.jpg"
        cat = cat.convert("CMYK")
    elif kind == "16-bit":
        grey = np.asarray(cat.convert("L")).astype(np.uint16) * 257
        cat = Image.fromarray(grey)
    elif kind == "rotated":
        path = folder / "rotated.jpg"
        turned = cat.transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[0x0112] = 6
        turned.save(path, exif=exif, quality=95)
        return path
    elif kind == "dot":
        cat = cat.resize((1, 1))
    elif kind == "strip":
        cat = cat.resize((20_000, 20))
    cat.save(path)
    return path


@pytest.mark.network
@pytest.mark.parametrize("kind", ["rgba", "grey", "cmyk", "16-bit", "rotated"])
def test_the_cat_stays_a_cat(
    edgecnn: Run, mobilenet_bundle: Path, tmp_path: Path, kind: str
) -> None:
    ran = edgecnn("run", mobilenet_bundle, picture(tmp_path, kind), "--top", "1")
    assert ran.returncode == 0, ran.stderr
    assert any(label in ran.stdout for label in ("cat", "tabby")), ran.stdout


@pytest.mark.parametrize("kind", ["dot", "strip"])
def test_images_of_odd_size_are_answered(
    edgecnn: Run, tiny_bundle: Path, tmp_path: Path, kind: str
) -> None:
    ran = edgecnn("run", tiny_bundle, picture(tmp_path, kind))
    assert ran.returncode == 0, ran.stderr
    assert "class" in ran.stdout


def test_an_image_that_is_no_image_is_named_and_the_rest_goes_on(
    edgecnn: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.jpg").write_text("I am no image")
    (tmp_path / "cut.jpg").write_bytes((PHOTOGRAPHS / "cat.jpg").read_bytes()[:9000])
    ran = edgecnn("run", tiny_bundle, "text.jpg", "cut.jpg", "none.jpg", PHOTOGRAPHS / "cat.jpg")
    assert ran.returncode == 1
    for name in ("text.jpg", "cut.jpg", "none.jpg"):
        assert name in ran.stderr
    assert ran.stderr.count("\n") == 3
    assert "cat.jpg" in ran.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "kill", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.matrix)]
)
def test_an_export_that_is_stopped_leaves_the_old_bundle_and_no_litter(
    edgecnn: Run, tmp_path: Path, kill: signal.Signals
) -> None:
    """The moments: while torch is imported, while it exports, and around the writing."""
    bundle = tmp_path / "lenet5.edge"
    bundle.write_bytes(b"old")
    arguments = [EDGECNN, "export", "lenet5", "--weights", "random"]
    seen = {"lenet5.edge"}
    for seconds in (0.3, 1.5, 3.0, 4.5, 6.0):
        running = subprocess.Popen(
            arguments, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        try:
            _, stderr = running.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            running.send_signal(kill)
            _, stderr = running.communicate()
            assert "Traceback" not in stderr or seconds < 1
        assert {path.name for path in tmp_path.iterdir()} == seen
        content = bundle.read_bytes()
        assert content == b"old" or content.startswith(b"PK")
        time.sleep(0.01)


@pytest.mark.slow
def test_quantising_that_is_stopped_leaves_nothing_half_written(
    edgecnn: Run, tmp_path: Path
) -> None:
    """The moments: while samples are prepared, and on the rungs of the ladder."""
    arguments = [EDGECNN, "export", "mobilenet_v3_small", "--weights", "random", "--classes", "10"]
    arguments += ["--quantize", "int8", "--no-measure", "-o", "net.edge"]
    for seconds in (4.0, 6.0, 8.0):
        running = subprocess.Popen(
            arguments, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        try:
            _, stderr = running.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)
            _, stderr = running.communicate()
            assert "Traceback" not in stderr
        left = {path.name for path in tmp_path.iterdir()}
        assert left <= {"net.edge"}
        assert not left or (tmp_path / "net.edge").read_bytes().startswith(b"PK")


def test_an_export_to_a_full_disk_keeps_the_old_bundle(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(TINY)
    limit = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
        "from edgecnn.cli import main; main(sys.argv[1:])"
    )
    (tmp_path / "build.edge").write_bytes(b"old")
    python = str(Path(EDGECNN).with_name("python"))
    command = [python, "-c", limit, "export", "nets:build", "--input", "1x3x32x32"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "cannot write build.edge: file too large" in ran.stderr
    assert (tmp_path / "build.edge").read_bytes() == b"old"
    assert {p.name for p in tmp_path.iterdir()} - {"__pycache__"} == {"nets.py", "build.edge"}
