from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import OFFSET, SCALE, contents, onnx_model, red_image
from tflite_models import brightest

import edgecnn_runtime as edge
from edgecnn.bundles.extract import extract
from edgecnn.errors import ExtractRefused
from edgecnn.results.bundle import extract_bundle
from edgecnn_runtime.bundle import Bundle
from edgecnn_runtime.bundle.write import write_bundle
from edgecnn_runtime.errors import DigestMismatch, OutputNotWritable, UnsafePath
from edgecnn_runtime.manifest import Artefact, ChannelGroup, Preprocess

LENET5 = Path(__file__).parents[3] / "data/bundles/lenet5.edge"


def test_one_artefact_comes_with_its_weights_and_nothing_of_the_others(tmp_path: Path) -> None:
    extracted = extract(LENET5, tmp_path / "new/app", "model.int8.xml")
    made = {path.name for path in (tmp_path / "new/app").iterdir()}
    assert {name for name in made if name.startswith("model")} == {
        "model.int8.xml",
        "model.int8.bin",
    }
    assert {"labels.txt", "preprocess.json", "preprocess.hpp", "README.txt"} < made
    assert made == set(extracted.files)
    with Bundle(LENET5) as bundle:
        assert (tmp_path / "new/app/model.int8.bin").read_bytes() == bundle.read("model.int8.bin")
        assert (tmp_path / "new/app/labels.txt").read_text().splitlines() == list(bundle.labels())


def test_all_artefacts_come_by_default_and_json_has_the_layout_of_each(tmp_path: Path) -> None:
    assert len(extract(LENET5, tmp_path).artefacts) == 6
    spec = json.loads((tmp_path / "preprocess.json").read_text())
    assert spec["colour"] == "L"
    assert spec["layouts"]["model.int8.tflite"] == "NHWC"
    assert spec["layouts"]["model.onnx"] == "NCHW"


# Inputs from 0 to 1 and answers from 0 to 3, in 255 steps each.
CODES = {"input": (1 / 255, -128), "logits": (3 / 255, -128)}
BYTES = Artefact(
    "m.tflite", "tflite", "int8", sqnr_db={"logits": (40.0,)}, layout="NHWC", encodings=CODES
)


@pytest.mark.parametrize(
    "artefact", [Artefact("m.onnx", "onnx", "fp32"), BYTES], ids=["float", "8 bits"]
)
def test_the_readme_s_example_runs_and_answers_as_the_bundle_does(
    tmp_path: Path, artefact: Artefact
) -> None:
    bits8 = brightest((1, 4, 4, 3), (1, 2), SCALE, OFFSET, encodings=list(CODES.values()))
    model = bits8 if artefact is BYTES else onnx_model()
    manifest, files = contents(artefact.format, model)
    files[artefact.path] = files.pop(manifest.artefacts[0].path)
    spec = Preprocess("RGB", (4, 4), "bilinear", None, 1 / 255, (0, 0, 0), (1, 1, 1))
    groups = {"logits": (ChannelGroup(None, ((0, 1),), 0.0, 1.0),)}
    manifest = replace(manifest, preprocess=spec, artefacts=(artefact,), groups=groups)
    write_bundle(tmp_path / "x.edge", manifest, files)
    extract(tmp_path / "x.edge", tmp_path / "app")
    lines = (tmp_path / "app/README.txt").read_text().split("\n")
    example = "\n".join(line.strip() for line in lines if line.startswith("    "))
    image = red_image(4, 4)
    np.save(tmp_path / "app/image.npy", image)
    program = f"import numpy; image = numpy.load('image.npy')\n{example}\nprint(answer.tolist())"
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, cwd=tmp_path / "app", capture_output=True, text=True, check=False)
    with edge.open(tmp_path / "x.edge") as opened:
        expected = opened.run({"input": opened.preprocess(image)})["logits"]
    np.testing.assert_allclose(
        json.loads(ran.stdout or "null"), expected, rtol=1e-6, err_msg=ran.stderr
    )


def test_a_folder_with_files_is_refused_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ExtractRefused, match="--force"):
        extract(LENET5, tmp_path, "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    (tmp_path / "model.onnx").write_text("old")
    extract(LENET5, tmp_path, "model.onnx", force=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "model.onnx").stat().st_size == 251603


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "app").write_text("")
    with pytest.raises(ExtractRefused, match="is a file"):
        extract(LENET5, tmp_path / "app", force=True)


def test_no_link_in_the_folder_leads_out_of_it(tmp_path: Path) -> None:
    manifest, files = contents("onnx", onnx_model())
    path = "npu/x/model.onnx"
    files[path] = files.pop("model.onnx")
    artefact = Artefact(path, "onnx", "fp32", "compiled only", target="x")
    write_bundle(tmp_path / "x.edge", replace(manifest, artefacts=(artefact,)), files)
    (tmp_path / "outside").mkdir()
    (tmp_path / "app").mkdir()
    (tmp_path / "app/npu").symlink_to(tmp_path / "outside")
    with pytest.raises(ExtractRefused, match="by a link"):
        extract(tmp_path / "x.edge", tmp_path / "app", force=True)
    assert not any((tmp_path / "outside").iterdir())
    extract(tmp_path / "x.edge", tmp_path / "new", "x")
    assert (tmp_path / "new" / path).is_file()


@pytest.mark.parametrize("name", ["numpy.py", "preprocess.hpp", "README.TXT", "model", "run.sh"])
def test_an_artefact_with_the_name_of_a_program_is_refused(tmp_path: Path, name: str) -> None:
    manifest, files = contents("onnx", onnx_model())
    files[name] = files.pop("model.onnx")
    artefact = replace(manifest.artefacts[0], path=name)
    write_bundle(tmp_path / "x.edge", replace(manifest, artefacts=(artefact,)), files)
    with pytest.raises(UnsafePath, match=name):
        extract(tmp_path / "x.edge", tmp_path / "app")
    assert not (tmp_path / "app").exists()


def test_names_of_a_bundle_are_text_in_the_readme_and_absent_from_code(
    tmp_path: Path,
) -> None:
    evil = 'x"""\nimport os\n"""\x1b]0;pwned\x07*/'
    manifest, files = contents("onnx", onnx_model())
    write_bundle(tmp_path / "x.edge", replace(manifest, name=evil), files)
    extract(tmp_path / "x.edge", tmp_path / "app")
    texts = {path.name: path.read_text() for path in (tmp_path / "app").glob("*[!x]")}
    assert "\x1b" not in "".join(text for name, text in texts.items() if name != "model.onnx")
    for name in ("preprocess_numpy.py", "preprocess.hpp", "Preprocess.kt", "preprocess.js"):
        assert "pwned" not in texts[name]
        assert "import os" not in texts[name]


def test_a_damaged_artefact_leaves_no_folder(tmp_path: Path) -> None:
    content = LENET5.read_bytes()
    at = content.index(b"TFL3") + 4000
    (tmp_path / "x.edge").write_bytes(content[:at] + b"\x55\xaa" + content[at + 2 :])
    with pytest.raises(DigestMismatch):
        extract(tmp_path / "x.edge", tmp_path / "app")
    assert [path.name for path in tmp_path.iterdir()] == ["x.edge"]


def test_a_network_of_arrays_has_no_preprocessing_code(tmp_path: Path) -> None:
    separable = LENET5.with_name("separable.edge")
    files = extract_bundle(separable, tmp_path / "app", "model.onnx").extracted.files
    assert set(files) == {"model.onnx", "README.txt"}


def test_an_empty_folder_that_a_shell_is_in_stays_the_same_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app").mkdir(mode=0o750)
    monkeypatch.chdir(tmp_path / "app")
    before = Path().stat()
    extract(LENET5, Path())
    after = Path().stat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert Path("labels.txt").read_text().startswith("0")


@pytest.mark.parametrize("is_there", [True, False])
def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path, is_there: bool) -> None:
    if is_there:
        (tmp_path / "app").mkdir()
    program = (
        "import resource, sys; from pathlib import Path\n"
        "from edgecnn.bundles.extract import extract\n"
        # A larger file ends as on a full disk; the first files are smaller.
        "resource.setrlimit(resource.RLIMIT_FSIZE, (64000, 64000))\n"
        "extract(Path(sys.argv[1]), Path('app'))"
    )
    command = [sys.executable, "-c", program, str(LENET5)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "OutputNotWritable" in ran.stderr
    assert [str(path) for path in tmp_path.rglob("*")] == [str(tmp_path / "app")] * is_there


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(OutputNotWritable, match="cannot write"):
        extract(LENET5, tmp_path / "notes.txt/app")


def test_an_unknown_artefact_is_refused_with_the_list_of_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ExtractRefused, match=r"it has model\.int8\.onnx"):
        extract(LENET5, tmp_path, "model.int4.onnx")
